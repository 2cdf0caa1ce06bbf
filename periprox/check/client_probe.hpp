// What a case about clients has to work with: it waits for a client, and answers it as the case
// likes. One client at a time, blocking, like everything in this room.
//
// The device is made to have URBs of its own accord wherever it is attached: a keyboard on which
// nobody types, so that an interrupt URB is always pending. A second interface has a pair of bulk
// endpoints, and of isochronous ones in its alternate setting 1, for who wants to use them: OUT
// takes anything, IN gives zeros.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "periprox/base/unique_fd.hpp"
#include "periprox/check/client_says.hpp"
#include "periprox/check/connection.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::check {

/// A CMD_SUBMIT or CMD_UNLINK with what follows it.
struct ClientCommand {
  wire::usbip::CmdSubmit header;  ///< Of a CMD_UNLINK only `basic` means something.
  std::optional<std::uint32_t> unlink_target;
  std::vector<wire::usbip::IsoDescriptor> iso;

  [[nodiscard]] std::uint32_t seqnum() const { return header.basic.seqnum; }
  [[nodiscard]] bool is_in() const { return header.basic.direction == 1; }
  /// A control request that asks for data.
  [[nodiscard]] bool is_control_in() const {
    return !unlink_target && header.basic.ep == 0 && header.setup.is_in();
  }
};

/// How replies are sent, where a case wants them other than usual.
struct ReplyStyle {
  bool byte_by_byte = false;
  bool repeats_addresses = false;  ///< devid, direction and ep as in the command.
  bool stalls_strings = false;
};

/// A connection on which a client has asked to import the device.
class ClientSession final {
 public:
  ClientSession(Connection connection, ClientSays& says);
  ~ClientSession() { connection_.close(); }
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  [[nodiscard]] Connection& connection() { return connection_; }
  /// The reply to the import, for a case to change.
  [[nodiscard]] static wire::usbip::ImportReply import_reply();
  /// Grants the import.
  void grant();
  /// Fails the case unless the client ends the connection and says nothing more before that.
  void require_end(std::string_view after_what);

  /// The next command; nothing when the client has ended the connection. Fails the case when
  /// neither comes in time.
  [[nodiscard]] std::optional<ClientCommand> next_command();
  /// Answers as an honest server does; what it has no answer to now stays pending.
  void answer(const ClientCommand& command);
  /// Answers with a status and, for IN, data.
  void reply(const ClientCommand& command, std::int32_t status, Bytes data);
  void reply_unlink(const ClientCommand& command, std::int32_t status);
  /// What an honest server has to say to a control request; nothing for a stall.
  [[nodiscard]] std::optional<std::vector<std::byte>> control_answer(
      const ClientCommand& command) const;
  /// Sends a reply as the style wants it.
  void send(Bytes bytes);

  /// Answers everything until the client has selected a configuration, or has read it and ended the
  /// connection. False when it ended the connection before that.
  [[nodiscard]] bool serve_until_configured();
  /// The same, but a command that `own` returns true for was dealt with by it.
  [[nodiscard]] bool serve_until_configured(const std::function<bool(const ClientCommand&)>& own);
  /// serve_until_configured(), which fails the case when the client does not come so far.
  void require_configured();

  ReplyStyle style;

 private:
  ClientCommand take_command();

  Connection connection_;
  ClientSays& says_;
  std::set<std::uint32_t> pending_;
  bool configured_ = false;
  bool configuration_read_ = false;
};

/// Where clients come to.
class ClientProbe final {
 public:
  /// `listener` is a listening socket. A client, and each answer of it, may take `patience`.
  ClientProbe(UniqueFd listener, Duration patience);

  /// Starts the clock of a case.
  void begin_case(Duration limit);
  /// Waits for a client that wants to import the device; those that ask for the list get it.
  /// Not applicable when nobody comes.
  [[nodiscard]] ClientSession wait_for_client();
  /// Nobody came when a client was last waited for.
  [[nodiscard]] bool is_deserted() const { return is_deserted_; }
  /// What clients have said so far.
  [[nodiscard]] const ClientSays& says() const { return says_; }

  static constexpr const char* kBusId = "1-1";

 private:
  [[nodiscard]] UniqueFd accept();
  [[nodiscard]] bool wants_import(Connection& connection);

  UniqueFd listener_;
  Duration patience_;
  TimePoint deadline_ = TimePoint::max();
  ClientSays says_;
  bool is_deserted_ = false;
};

}  // namespace periprox::check
