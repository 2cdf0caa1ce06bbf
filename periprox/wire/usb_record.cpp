#include "periprox/wire/usb_record.hpp"

#include "periprox/base/endian.hpp"
#include "periprox/wire/usbpcap.hpp"

namespace periprox::wire {
namespace {

template <std::endian Order>
struct UsbmonEntry {
  Ordered<std::int32_t, Order> status;
  Ordered<std::uint32_t, Order> offset;
  Ordered<std::uint32_t, Order> length;
  Ordered<std::uint32_t, Order> padding;
};

struct UsbPcapEntry {
  le32 offset;
  le32 length;
  le32 status;
};

usb::IsoPacket packet_of(std::uint32_t offset, std::uint32_t length, usb::Status status,
                         bool is_submission) {
  return {.offset = offset,
          .length = is_submission ? length : 0,
          .actual_length = is_submission ? 0 : length,
          .status = status};
}

template <typename Entry>
usb::IsoPacket usbmon_packet(Bytes bytes, bool is_submission) {
  const auto entry = read_as<Entry>(bytes).value();
  return packet_of(entry.offset, entry.length, usb::status_from_errno(entry.status), is_submission);
}

}  // namespace

usb::IsoPacket IsoPackets::at(std::size_t i, bool is_submission) const {
  const auto bytes = bytes_.subspan(i * entry_size(), entry_size());
  switch (layout_) {
    case Layout::UsbmonLittle:
      return usbmon_packet<UsbmonEntry<std::endian::little>>(bytes, is_submission);
    case Layout::UsbmonBig:
      return usbmon_packet<UsbmonEntry<std::endian::big>>(bytes, is_submission);
    case Layout::UsbPcap:
      break;
  }
  const auto entry = read_as<UsbPcapEntry>(bytes).value();
  return packet_of(entry.offset, entry.length, usbpcap::status_from_usbd(entry.status),
                   is_submission);
}

}  // namespace periprox::wire
