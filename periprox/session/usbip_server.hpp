// The exporter's side of one USB/IP connection: a peer's bytes become URBs for a device, and the
// completions become bytes.
//
// The same session serves a client over the network and the Linux kernel itself (vhci_hcd at the
// other end of a socketpair). linux: Documentation/usb/usbip_protocol.rst,
// drivers/usb/usbip/stub_*.c.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "periprox/base/protocol.hpp"
#include "periprox/session/exports.hpp"
#include "periprox/session/pending_urbs.hpp"
#include "periprox/session/receiver.hpp"
#include "periprox/session/sender.hpp"
#include "periprox/usb/device.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::session {

/// Bounds on what one peer can make the session hold.
struct ServerLimits {
  /// Payload bytes, URB bookkeeping and unwritten replies together. At the ceiling the link is not
  /// read until something completes or is written.
  std::size_t memory = std::size_t{64} << 20;
  /// Largest single transfer; a larger one is answered with -ENOMEM. At most `memory`.
  std::uint32_t transfer = std::uint32_t{48} << 20;
  /// A connection that has asked for nothing by then is closed.
  Duration request_timeout = std::chrono::seconds(15);
  /// A submit that has waited at the ceiling this long while nothing moved is answered with
  /// -ENOMEM, so that an UNLINK behind it can be read.
  Duration starvation = std::chrono::seconds(2);
  /// How long an UNLINK that came before its SUBMIT waits for that.
  Duration overtaken = std::chrono::milliseconds(500);
  /// How long a client whose device is gone is still answered: what it had sent by then, and what
  /// it sends because of earlier answers, must not stay pending, for Linux's vhci_hcd gives it back
  /// only with the device, whose removal may be waiting for a driver that waits for the URB.
  Duration gone_linger = std::chrono::milliseconds(250);
  /// How long an ending session waits for the device to give its URBs back: a device behind a link
  /// that is silent would take long. What comes later comes to nobody.
  Duration farewell = std::chrono::milliseconds(700);
};

/// Sans-IO USB/IP server session. One thread.
///
/// Every CMD is answered exactly once: SUBMIT by RET_SUBMIT, or, when an UNLINK won, by that
/// UNLINK's RET_UNLINK(-ECONNRESET) alone; an UNLINK whose target is done or unknown by
/// RET_UNLINK(0), never before the target's RET_SUBMIT. Malformed input ends the session with an
/// Error that names the offset in the stream.
class UsbipServer final : public Protocol, private usb::CompletionSink {
 public:
  /// Starts in the management phase. `exports` outlives the session. `peer` names it in messages.
  UsbipServer(Exports& exports, std::string peer, TimePoint now, ServerLimits limits = {});
  /// Starts with URBs at once, for a peer that was told "devid speed" by other means.
  explicit UsbipServer(Lease lease, ServerLimits limits = {});
  ~UsbipServer() override;
  UsbipServer(const UsbipServer&) = delete;
  UsbipServer& operator=(const UsbipServer&) = delete;

  void set_waker(Waker* waker) override { waker_ = waker; }
  std::span<const MutableBytes> receive_into() override;
  void received(std::size_t count) override;
  void receive_ended(std::optional<Error> error) override;
  std::size_t gather(std::span<Bytes> segments) override { return sender_.gather(segments); }
  void written(std::size_t count) override;
  [[nodiscard]] std::optional<TimePoint> wake_at() const override;
  void woken(TimePoint now) override;
  void close() override;
  [[nodiscard]] bool finished() const override;
  [[nodiscard]] const std::optional<Error>& failure() const override { return failure_; }

  /// Takes the device away from the client, without waiting for the device, which may be silent:
  /// answers every pending URB with DeviceGone, and whatever the client sends for a moment longer
  /// (ServerLimits::gone_linger); then the session ends.
  void unplug();

  /// The device in use; null in the management phase.
  [[nodiscard]] const Lease* lease() const { return lease_ ? &*lease_ : nullptr; }
  /// True once the device is gone: unplugged, or the link to it lost.
  [[nodiscard]] bool device_is_gone() const { return device_is_gone_; }
  /// URBs at the device now.
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }

 private:
  enum class State : std::uint8_t {
    OpHeader,
    ImportBody,
    Claiming,
    UrbHeader,
    AdmitSubmit,  // A CMD_SUBMIT waits for memory.
    OutData,
    IsoDescriptors,
    Ending,  // Nothing is read any more.
  };
  /// The CMD_SUBMIT that is being received.
  struct Incoming {
    usb::Urb urb;  ///< Filled in while it comes.
    wire::usbip::Seqnum seqnum;
    std::int32_t number_of_packets = 0;
    std::uint32_t iso_packets = 0;       ///< Descriptors that follow on the wire.
    std::optional<usb::Status> refusal;  ///< Answer with this instead of submitting.
  };

  void process();
  void process_if_held_up();
  bool step();
  bool read_op_header();
  bool read_import_body();
  void claimed(Exports::ClaimResult result);
  void begin_urbs(Lease lease);
  bool read_urb_header();
  bool decode_submit(const wire::usbip::CmdSubmit& header);
  bool admit_submit();
  void read_iso_descriptors();
  void submit();
  void unlink(const wire::usbip::CmdUnlink& header);
  [[nodiscard]] bool is_ahead_of_its_target(const wire::usbip::CmdUnlink& header) const;
  void take_held_unlinks(wire::usbip::Seqnum submitted, PendingUrb& pending);
  void answer_held_unlinks();
  void on_completed(usb::Urb urb, std::uint64_t cookie) override;
  void put_reply(const PendingUrb& pending, usb::Urb urb);
  void put_unlink_reply(wire::usbip::Seqnum seqnum, std::int32_t status);
  void put_devlist();
  void put_op_status(wire::usbip::OpCode code, wire::usbip::OpStatus status);
  void malformed(std::string why);
  void answer_for_device(PendingUrbs::Slot slot);
  void device_gone();
  void changed();
  [[nodiscard]] std::size_t weight_of_incoming() const;
  /// What waits to be written, and the answers to UNLINKs that wait for their targets.
  [[nodiscard]] std::size_t memory_of_replies() const {
    return sender_.memory() + unlinks_waiting_ * sizeof(wire::usbip::RetUnlink);
  }
  [[nodiscard]] std::size_t memory_in_use() const {
    return pending_.charge() + memory_of_replies();
  }

  Exports* exports_ = nullptr;
  std::string peer_;
  ServerLimits limits_;
  Waker* waker_ = nullptr;
  State state_ = State::OpHeader;
  std::optional<Error> failure_;
  std::optional<TimePoint> deadline_;
  /// An UNLINK that overtook the SUBMIT it is about.
  struct HeldUnlink {
    wire::usbip::Seqnum seqnum;
    wire::usbip::Seqnum target;
  };
  std::vector<HeldUnlink> held_unlinks_;
  std::optional<TimePoint> held_until_;       // When they are answered although no target came.
  std::optional<std::uint32_t> last_submit_;  // Its seqnum.
  std::optional<TimePoint> farewell_until_;   // While ending with URBs at the device.
  bool farewell_over_ = false;
  bool device_is_gone_ = false;
  bool unplugged_ = false;
  /// Set once the device is gone or unplugged: when the session ends.
  std::optional<TimePoint> gone_until_;

  Receiver receiver_{wire::usbip::kHeaderSize};
  Sender sender_;
  std::uint64_t message_offset_ = 0;  // Where the message being read began.
  Incoming incoming_;
  std::vector<wire::usbip::IsoDescriptor> iso_wire_;
  usb::UrbPool urbs_;
  PendingUrbs pending_;
  std::size_t unlinks_waiting_ = 0;
  std::optional<Lease> lease_;
  // Given to callbacks that may come after the session is gone.
  std::shared_ptr<UsbipServer*> self_;
  bool processing_ = false;
  bool held_up_ = false;  // What has come waits for memory.
  bool in_call_ = false;  // The pump is in a call and will look for output by itself.
};

}  // namespace periprox::session
