// One line of a capture: an URB on its way to a device or back, whatever file it came from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "periprox/base/bytes.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::wire {

/// The isochronous packets of a record, as they lie in the file.
class IsoPackets {
 public:
  enum class Layout : std::uint8_t {
    UsbmonLittle,  ///< {s32 status, u32 offset, u32 length, u32 0}
    UsbmonBig,
    UsbPcap,  ///< {u32 offset, u32 length, u32 status}, little-endian
  };
  IsoPackets() = default;
  IsoPackets(Bytes bytes, Layout layout) : bytes_(bytes), layout_(layout) {}

  [[nodiscard]] std::size_t size() const { return bytes_.size() / entry_size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  /// The i-th; i < size(). On submission `length` is set, on completion `actual_length`.
  [[nodiscard]] usb::IsoPacket at(std::size_t i, bool is_submission) const;

  [[nodiscard]] std::size_t entry_size() const { return layout_ == Layout::UsbPcap ? 12 : 16; }

 private:
  Bytes bytes_;
  Layout layout_ = Layout::UsbmonLittle;
};

/// A submission or a completion; both of one URB have the same id, and an id is used again once its
/// URB is complete. Views point into the packet it was decoded from.
struct UsbRecord {
  enum class Event : std::uint8_t {
    Submit,
    Complete,
    Error,  ///< It could not even be submitted; `status` says why.
  };

  std::uint64_t id = 0;
  Event event = Event::Submit;
  usb::TransferType type = usb::TransferType::Control;
  usb::EndpointAddress endpoint;  ///< Of control transfers, the direction of the data.
  std::uint16_t bus = 0;
  std::uint16_t device = 0;
  std::optional<usb::SetupPacket> setup;  ///< On submission of control transfers.
  usb::Status status = usb::Status::Ok;   ///< InProgress on submission.
  std::uint32_t length = 0;               ///< Asked for on submission, moved on completion.
  Bytes data;  ///< What of the data is in the capture; isochronous IN data is sparse.
  std::uint32_t interval = 0;
  std::int32_t start_frame = 0;
  std::uint32_t error_count = 0;  ///< Isochronous.
  usb::TransferFlags flags;
  IsoPackets iso_packets;

  [[nodiscard]] bool is_in() const { return endpoint.is_in(); }
};

}  // namespace periprox::wire
