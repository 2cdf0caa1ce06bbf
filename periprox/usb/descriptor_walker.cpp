#include "periprox/usb/descriptor_walker.hpp"

#include <string>

namespace periprox::usb {

std::optional<DescriptorView> DescriptorWalker::next() {
  if (broken_at_ || offset_ == block_.size()) return std::nullopt;
  const Bytes rest = block_.subspan(offset_);
  const auto length = std::to_integer<std::size_t>(rest[0]);
  if (rest.size() < 2) {
    broken_at_ = Finding{offset_, "one stray byte at the end"};
    return std::nullopt;
  }
  if (length < 2) {
    broken_at_ = Finding{offset_, "bLength is " + std::to_string(length) +
                                      ", less than a header; the rest is not read"};
    return std::nullopt;
  }
  if (length > rest.size()) {
    broken_at_ = Finding{offset_, "bLength is " + std::to_string(length) + " but only " +
                                      std::to_string(rest.size()) + " bytes are left"};
    return std::nullopt;
  }
  const DescriptorView view{offset_, rest.first(length)};
  offset_ += length;
  return view;
}

}  // namespace periprox::usb
