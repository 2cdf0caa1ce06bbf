// Steps through a block of descriptors by their bLength, whatever the bytes are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "periprox/base/bytes.hpp"
#include "periprox/usb/configuration.hpp"
#include "periprox/usb/descriptors.hpp"

namespace periprox::usb {

/// One descriptor inside a block; a view, valid as long as the block.
struct DescriptorView {
  std::size_t offset = 0;  ///< Its place in the block.
  Bytes bytes;             ///< Header included: at least 2 bytes, exactly bLength.

  [[nodiscard]] std::uint8_t type() const { return std::to_integer<std::uint8_t>(bytes[1]); }
  [[nodiscard]] bool is(DescriptorType wanted) const {
    return type() == static_cast<std::uint8_t>(wanted);
  }
  /// The descriptor as a struct of the standard; empty when it is shorter than that.
  template <typename T>
  [[nodiscard]] std::optional<T> as() const {
    return read_as<T>(bytes);
  }
  [[nodiscard]] RawDescriptor raw() const { return {bytes.begin(), bytes.end()}; }
};

/// Hands out the descriptors of a block one by one. A bLength that is below 2 or runs past the end
/// ends the walk, since nothing says where the next descriptor would start.
class DescriptorWalker {
 public:
  /// Walks `block` from `offset`, which is at most its size.
  explicit DescriptorWalker(Bytes block, std::size_t offset = 0) : block_(block), offset_(offset) {}

  /// The next descriptor; empty at the end.
  [[nodiscard]] std::optional<DescriptorView> next();
  /// Why the walk ended before the end of the block, if it did.
  [[nodiscard]] const std::optional<Finding>& broken_at() const { return broken_at_; }

 private:
  Bytes block_;
  std::size_t offset_;
  std::optional<Finding> broken_at_;
};

}  // namespace periprox::usb
