#include "periprox/stage/record_block.hpp"

#include <algorithm>
#include <cstring>

namespace periprox::stage {

using wire::usbmon::Header;
using wire::usbmon::IsoDescriptor;

RecordBlock::RecordBlock(const usb::UrbData& urb, wire::UsbRecord::Event event,
                         const wire::usbmon::Stamp& stamp, const Frame& frame)
    : urb_(urb), event_(event), record_(wire::usbmon::outgoing(urb, event, stamp)) {
  const std::size_t whole = record_.size();
  const std::size_t descriptors = record_.descriptor_count * sizeof(IsoDescriptor);
  record_.data = record_.data.first(std::min<std::size_t>(
      record_.data.size(), std::min<std::size_t>(frame.snap_length, kMostData - descriptors)));
  record_.header.captured_length = static_cast<std::uint32_t>(record_.size() - sizeof(Header));
  block_ = {.interface_id = frame.interface_id,
            .time = stamp.time,
            .captured_length = static_cast<std::uint32_t>(record_.size()),
            .original_length = static_cast<std::uint32_t>(whole),
            .dropped = frame.dropped,
            .comments = frame.comments};
}

void RecordBlock::write(MutableBytes room) const {
  auto* place = block_.write(room).data();
  std::memcpy(place, &record_.header, sizeof(Header));
  place += sizeof(Header);
  for (std::size_t i = 0; i < record_.descriptor_count; ++i) {
    const auto descriptor = wire::usbmon::outgoing_descriptor(urb_, event_, i);
    std::memcpy(place, &descriptor, sizeof(descriptor));
    place += sizeof(descriptor);
  }
  if (!record_.data.empty()) std::memcpy(place, record_.data.data(), record_.data.size());
}

}  // namespace periprox::stage
