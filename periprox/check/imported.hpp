// An imported device, seen through raw PDUs: it sends whatever a case says and judges only what
// leaves no next header, so that each case can judge the one thing it is about.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "periprox/check/connection.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::check {

/// A CMD_SUBMIT, field by field; nothing is derived from anything else.
struct Submit {
  std::uint32_t ep = 0;
  bool in = false;
  std::uint32_t flags = 0;
  std::int32_t length = 0;  ///< transfer_buffer_length.
  std::int32_t start_frame = 0;
  std::int32_t number_of_packets = 0;
  std::int32_t interval = 0;
  usb::SetupPacket setup{};
  std::vector<std::byte> data{};                  ///< What follows the header.
  std::vector<wire::usbip::IsoDescriptor> iso{};  ///< What follows the data.
};

/// A RET_SUBMIT or RET_UNLINK with what follows it.
struct Reply {
  wire::usbip::Command command = wire::usbip::Command::RetSubmit;
  std::uint32_t seqnum = 0;
  std::int32_t status = 0;
  wire::usbip::RetSubmit header;  ///< Of a RET_UNLINK only `basic` and `status` mean something.
  std::vector<std::byte> data;
  std::vector<wire::usbip::IsoDescriptor> iso;

  [[nodiscard]] std::int32_t actual_length() const { return header.actual_length; }
  [[nodiscard]] bool is_unlink() const { return command == wire::usbip::Command::RetUnlink; }
};

/// What a status means, with its number: "-32 (stalled)".
[[nodiscard]] std::string status_text(std::int32_t status);

/// Encodes a CMD_SUBMIT with all that follows it.
[[nodiscard]] std::vector<std::byte> encode_submit(const Submit& submit, std::uint32_t seqnum,
                                                   std::uint32_t devid);
[[nodiscard]] wire::usbip::CmdUnlink encode_unlink(std::uint32_t target, std::uint32_t seqnum,
                                                   std::uint32_t devid);

/// The URB phase of one connection.
class Imported final {
 public:
  Imported(Connection connection, const wire::usbip::DeviceRecord& record);

  [[nodiscard]] const wire::usbip::DeviceRecord& record() const { return record_; }
  [[nodiscard]] std::uint32_t devid() const;
  [[nodiscard]] Connection& connection() { return connection_; }

  /// Sends a CMD_SUBMIT; its seqnum.
  std::uint32_t submit(const Submit& submit);
  /// Sends a CMD_UNLINK for `target`; its seqnum.
  std::uint32_t unlink(std::uint32_t target);
  /// Notes a CMD_SUBMIT that the case sends itself, in pieces; its seqnum.
  std::uint32_t expect(const Submit& submit);

  /// The next reply, whichever it is. A RET_SUBMIT that answers nothing pending fails the case.
  [[nodiscard]] Reply next_reply();
  /// The reply with that seqnum; others are kept for later calls.
  [[nodiscard]] Reply reply_to(std::uint32_t seqnum);
  /// reply_to(submit(...)).
  [[nodiscard]] Reply run(const Submit& submit_) { return reply_to(submit(submit_)); }
  /// True when a reply with that seqnum was read already, or is there within `how_long`.
  [[nodiscard]] bool has_reply(std::uint32_t seqnum, Duration how_long);
  /// Submits that are neither answered nor given back by a RET_UNLINK.
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }

 private:
  struct Pending {
    bool in = false;
    std::int32_t length = 0;
    std::size_t iso_packets = 0;
  };
  Reply take_submit_reply(Reply reply);
  Reply take_unlink_reply(Reply reply);

  Connection connection_;
  wire::usbip::DeviceRecord record_;
  std::uint32_t last_seqnum_ = 0;
  std::map<std::uint32_t, Pending> pending_;
  std::map<std::uint32_t, std::uint32_t> unlinks_;    // An UNLINK's seqnum, and its target.
  std::map<std::uint32_t, std::int32_t> given_back_;  // By a RET_UNLINK, with this status.
  std::vector<Reply> kept_;
};

// ---- Requests that every device answers ---------------------------------------------------------

/// A control request; the header agrees with the setup packet.
[[nodiscard]] Submit control(const usb::SetupPacket& setup);
[[nodiscard]] Submit get_descriptor(usb::DescriptorType type, std::uint8_t index,
                                    std::uint16_t length);
/// GET_DESCRIPTOR(device), 18 bytes.
[[nodiscard]] Submit get_device_descriptor();
/// Fails the case, with `when` in the reason, unless the device gives its descriptor.
void require_works(Imported& device, std::string_view when);
/// Makes the request; fails the case, with `what` in the reason, unless its status is 0.
Reply require_ok(Imported& device, const Submit& submit, std::string_view what);

}  // namespace periprox::check
