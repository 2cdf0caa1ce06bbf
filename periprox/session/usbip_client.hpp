// The importer's side of one USB/IP connection: a device at a server, seen as a usb::Device.
//
// Nothing that the server says is believed before it was checked (docs/protocols/usbip.md, "What a
// reply must satisfy"): this session stands between a hostile exporter and whoever uses the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "periprox/base/protocol.hpp"
#include "periprox/base/ring_queue.hpp"
#include "periprox/session/client_slots.hpp"
#include "periprox/session/receiver.hpp"
#include "periprox/session/sender.hpp"
#include "periprox/usb/device.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::session {

class DescriptorFetch;

/// Patience with a server.
struct ClientLimits {
  /// Import and the first reading of descriptors together.
  Duration open_timeout = std::chrono::seconds(15);
  /// A CMD_UNLINK that is not answered by then is taken as answered: the URB completes as
  /// Cancelled.
  Duration unlink_timeout = std::chrono::seconds(5);
};

/// Sans-IO USB/IP client session, and the remote device. One thread.
class UsbipClient final : public Protocol, public usb::Device {
 public:
  /// Imports `busid` (at most 31 bytes) first.
  UsbipClient(std::string busid, TimePoint now, ClientLimits limits = {});
  /// Starts with URBs at once, when "devid speed" came by other means.
  UsbipClient(std::uint32_t devid, usb::Speed speed, TimePoint now, ClientLimits limits = {});
  /// Waits for the line "devid speed" and starts with URBs at once (wire/export_line.hpp).
  explicit UsbipClient(TimePoint now, ClientLimits limits = {});
  ~UsbipClient() override;
  UsbipClient(const UsbipClient&) = delete;
  UsbipClient& operator=(const UsbipClient&) = delete;

  /// Calls back once: when the device is imported and its descriptors are read, so that it may be
  /// used, or when that failed.
  void on_ready(std::function<void(Result<void>)> handler) { ready_ = std::move(handler); }
  /// Where the device stands at the server; complete once ready.
  [[nodiscard]] const wire::usbip::DeviceAddress& address() const { return address_; }

  // Protocol
  void set_waker(Waker* waker) override { waker_ = waker; }
  std::span<const MutableBytes> receive_into() override;
  void received(std::size_t count) override;
  void receive_ended(std::optional<Error> error) override;
  std::size_t gather(std::span<Bytes> segments) override { return sender_.gather(segments); }
  void written(std::size_t count) override { sender_.written(count); }
  [[nodiscard]] std::optional<TimePoint> wake_at() const override;
  void woken(TimePoint now) override;
  void close() override;
  [[nodiscard]] bool finished() const override { return state_ == State::Ended; }
  [[nodiscard]] const std::optional<Error>& failure() const override { return failure_; }

  // usb::Device
  [[nodiscard]] const usb::DeviceModel& model() const override { return model_; }
  void submit(usb::Urb urb) override;
  void cancel(usb::UrbHandle urb) override;
  [[nodiscard]] Payload allocate(std::uint32_t size) override { return payloads_.allocate(size); }
  void on_gone(std::function<void()> handler) override;

  /// URBs on their way now.
  [[nodiscard]] std::size_t pending() const { return pending_; }

 private:
  enum class State : std::uint8_t {
    ExportLine,
    OpHeader,
    ImportBody,
    RetHeader,
    InData,
    IsoDescriptors,
    Ended,
  };
  /// The RET_SUBMIT that is being received.
  struct Incoming {
    wire::usbip::RetSubmit header;
    std::uint16_t slot = 0;
    std::uint16_t generation = 0;  ///< The slot may be given to another URB before all has arrived.
    std::uint32_t packets = 0;
    std::uint32_t actual_length = 0;
    Payload payload;  ///< Of a retired URB: read and dropped.
  };

  void process();
  bool step();
  bool read_export_line();
  bool read_op_header();
  bool read_import_body();
  void set_place(std::uint32_t devid, usb::Speed speed);
  void begin_urbs();
  void opened(Result<void> result);
  bool read_ret_header();
  bool read_ret_submit(const wire::usbip::RetSubmit& header);
  void read_ret_unlink(const wire::usbip::RetUnlink& header);
  void begin_iso_descriptors();
  void deliver();
  bool take_iso(usb::UrbData& urb);
  void finish(std::uint16_t slot, usb::Status status, std::uint32_t actual_length);
  void give_up(std::uint16_t slot);
  void put_submit(std::uint16_t slot);
  static std::uint32_t compact_iso(usb::UrbData& urb);
  void malformed(std::string why);
  void end(std::optional<Error> failure);
  void changed();

  std::string busid_;
  ClientLimits limits_;
  Waker* waker_ = nullptr;
  State state_ = State::OpHeader;
  std::optional<Error> failure_;
  std::optional<TimePoint> open_deadline_;

  Receiver receiver_{wire::usbip::kHeaderSize};
  Sender sender_;
  std::uint64_t message_offset_ = 0;
  Incoming incoming_;
  std::vector<wire::usbip::IsoDescriptor> iso_received_;  // The link may be reading into it.
  std::vector<usb::IsoPacket> iso_results_;

  wire::usbip::DeviceAddress address_;
  wire::usbip::DeviceRecord record_;
  usb::DeviceModel model_;
  std::unique_ptr<DescriptorFetch> fetch_;
  PayloadPool payloads_;
  ClientSlots slots_;
  RingQueue<std::pair<std::uint16_t, std::uint16_t>>
      unlinks_;  // Slot and generation, oldest first.
  std::size_t pending_ = 0;
  std::uint64_t submissions_ = 0;
  std::function<void(Result<void>)> ready_;
  std::function<void()> gone_;
  bool in_call_ = false;
};

}  // namespace periprox::session
