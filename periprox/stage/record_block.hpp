// One URB, on its way down or back, as a pcapng block: packet header, usbmon header, isochronous
// descriptors, data.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "periprox/base/bytes.hpp"
#include "periprox/usb/urb.hpp"
#include "periprox/wire/pcapng.hpp"
#include "periprox/wire/usbmon.hpp"

namespace periprox::stage {

/// Plans a block, so that its size is known before there is a place for it. Refers to the URB.
class RecordBlock final {
 public:
  struct Frame {
    std::uint32_t interface_id = 0;
    std::uint32_t snap_length = kMostData;  ///< Most bytes of data that are kept.
    std::uint64_t dropped = 0;              ///< Records lost just before this one.
    std::span<const std::string> comments;
  };
  RecordBlock(const usb::UrbData& urb, wire::UsbRecord::Event event,
              const wire::usbmon::Stamp& stamp, const Frame& frame);

  [[nodiscard]] std::size_t size() const { return block_.size(); }
  /// Writes the block into `room`, which has size() bytes.
  void write(MutableBytes room) const;

  /// The largest packet of this link type that Wireshark reads, without the header.
  static constexpr std::uint32_t kMostData = 262'144 - sizeof(wire::usbmon::Header);

 private:
  const usb::UrbData& urb_;
  wire::UsbRecord::Event event_;
  wire::usbmon::Outgoing record_;
  wire::pcapng::PacketBlock block_;
};

}  // namespace periprox::stage
