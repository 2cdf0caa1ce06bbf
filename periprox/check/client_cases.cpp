// How clients take what servers do: refusals, strange but sound replies, silence, lies, and ends.
// Nothing here gives a client isochronous packets to believe in that lie outside its buffer: Linux
// would (docs/attach-a-device.md), and what came of it nobody could say.
#include "periprox/check/client_cases.hpp"

#include <utility>

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

constexpr std::int32_t kConnReset = -104;
constexpr std::uint32_t kNobodysSeqnum = 0x7fffffff;

// ---- Importing ----------------------------------------------------------------------------------

void refused(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  auto header = ClientSession::import_reply().header;
  header.status = static_cast<std::uint32_t>(OpStatus::NotAvailable);
  client.connection().send_struct(header);
  client.require_end("after it was refused");
}

void other_busid(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  auto reply = ClientSession::import_reply();
  reply.device.busid = make_name<kBusIdSize>("9-9");
  client.connection().send_struct(reply);
  client.require_end("with a device that it did not ask for");
}

void other_version(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  auto reply = ClientSession::import_reply();
  reply.header.version = std::uint16_t{0x0110};
  client.connection().send_struct(reply);
  client.require_end("with a server of version 0x0110");
}

void import_cut(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  const auto reply = ClientSession::import_reply();
  client.connection().send(bytes_of(reply).first(100));
  client.connection().end_sending();
  client.require_end("after half an import reply");
}

// ---- Replies that are sound ---------------------------------------------------------------------

void configures(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  client.grant();
  client.require_configured();
}

void byte_by_byte(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  client.style.byte_by_byte = true;
  client.grant();
  client.require_configured();
}

void addresses(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  client.style.repeats_addresses = true;
  client.grant();
  client.require_configured();
}

void stalls(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  client.style.stalls_strings = true;
  client.grant();
  client.require_configured();
}

// ---- Silence, and UNLINK ------------------------------------------------------------------------

/// Leaves the first request without an answer; `unlinked` is given it, and the UNLINK for it. False
/// when the client ended the connection instead of an UNLINK, which it may.
bool leave_unanswered(ClientProbe& probe,
                      const std::function<void(ClientSession&, const ClientCommand& request,
                                               const ClientCommand& unlink)>& unlinked) {
  auto client = probe.wait_for_client();
  client.grant();
  std::optional<ClientCommand> request;
  bool is_over = false;
  const bool configured = client.serve_until_configured([&](const ClientCommand& command) {
    if (!request && command.is_control_in()) {
      request = command;
      return true;
    }
    if (!is_over && request && command.unlink_target == request->seqnum()) {
      is_over = true;
      unlinked(client, *request, command);
      return true;
    }
    return false;
  });
  require(is_over || !configured, "the request that was not answered is not unlinked");
  return is_over;
}

void unlink_cancels(ClientProbe& probe) {
  (void)leave_unanswered(
      probe, [](ClientSession& client, const ClientCommand& /*request*/,
                const ClientCommand& unlink) { client.reply_unlink(unlink, kConnReset); });
}

void unlink_too_late(ClientProbe& probe) {
  const bool unlinked = leave_unanswered(
      probe, [](ClientSession& client, const ClientCommand& request, const ClientCommand& unlink) {
        client.answer(request);
        client.reply_unlink(unlink, 0);
      });
  if (!unlinked) not_applicable("the client ends the connection instead of sending an UNLINK");
}

// ---- Lies ---------------------------------------------------------------------------------------

/// Has `lie` answer the first request that asks for data; the client may end the connection then,
/// or go on.
bool ends_after(ClientProbe& probe,
                const std::function<void(ClientSession&, const ClientCommand&)>& lie) {
  auto client = probe.wait_for_client();
  client.grant();
  bool lied = false;
  return !client.serve_until_configured([&](const ClientCommand& command) {
    if (lied || !command.is_control_in()) return false;
    lied = true;
    lie(client, command);
    return true;
  });
}

void unknown_unlink(ClientProbe& probe) {
  (void)ends_after(probe, [](ClientSession& client, const ClientCommand& command) {
    client.connection().send_struct(
        RetUnlink{.basic = {.command = static_cast<std::uint32_t>(Command::RetUnlink),
                            .seqnum = kNobodysSeqnum}});
    client.answer(command);
  });
}

void unknown_submit(ClientProbe& probe) {
  (void)ends_after(probe, [](ClientSession& client, const ClientCommand& command) {
    client.connection().send_struct(
        RetSubmit{.basic = {.command = static_cast<std::uint32_t>(Command::RetSubmit),
                            .seqnum = kNobodysSeqnum}});
    client.answer(command);
  });
}

void oversized(ClientProbe& probe) {
  const bool ended = ends_after(probe, [](ClientSession& client, const ClientCommand& command) {
    client.reply(command, 0, std::vector<std::byte>(command.header.setup.wLength + 64U));
  });
  require(ended, "the client takes more data than it asked for");
}

void negative(ClientProbe& probe) {
  const bool ended = ends_after(probe, [](ClientSession& client, const ClientCommand& command) {
    client.connection().send_struct(
        RetSubmit{.basic = {.command = static_cast<std::uint32_t>(Command::RetSubmit),
                            .seqnum = command.seqnum()},
                  .actual_length = -1});
  });
  require(ended, "the client goes on after an actual_length of -1");
}

void unknown_command(ClientProbe& probe) {
  const bool ended = ends_after(probe, [](ClientSession& client, const ClientCommand& command) {
    client.connection().send_struct(
        RetSubmit{.basic = {.command = 9U, .seqnum = command.seqnum()}});
  });
  require(ended, "the client goes on after a command that does not exist");
}

// ---- Ends ---------------------------------------------------------------------------------------

void half_reply(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  client.grant();
  const auto command = client.next_command();
  require(command.has_value(), "the client ended the connection after the import");
  const RetSubmit reply{.basic = {.command = static_cast<std::uint32_t>(Command::RetSubmit),
                                  .seqnum = command->seqnum()}};
  client.connection().send(bytes_of(reply).first(20));
  client.connection().end_sending();
  client.require_end("after half a reply and the end of the connection");
}

void server_ends(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  client.grant();
  client.require_configured();
  client.connection().end_sending();
  while (client.next_command()) {
  }
}

void detach(ClientProbe& probe) {
  auto client = probe.wait_for_client();
  client.grant();
  client.require_configured();
  while (const auto command = client.next_command()) client.answer(*command);
}

ClientCase make(const char* name, const char* what, const char* reference,
                void (*run)(ClientProbe&)) {
  return {.text = {.name = name, .what = what, .reference = reference, .run = {}}, .run = run};
}

}  // namespace

const std::vector<ClientCase>& client_cases() {
  static const std::vector<ClientCase> all{
      make("client.refused", "ends the connection when the import is refused",
           "linux: Documentation/usb/usbip_protocol.rst, OP_REP_IMPORT", refused),
      make("client.other_busid", "ends the connection when the reply is about another device",
           "linux: tools/usb/usbip/src/usbip_attach.c, query_import_device()", other_busid),
      make("client.other_version", "ends the connection when the server has another version",
           "abilisoft/usbip-go", other_version),
      make("client.import_cut", "survives an import reply that ends in the middle",
           "yunsmall/usbipdcpp", import_cut),
      make("client.configures", "reads the descriptors, and selects a configuration or leaves",
           "usb: USB 2.0, 9.1.2", configures),
      make("client.byte_by_byte", "takes replies that arrive one byte at a time",
           "linux: drivers/usb/usbip/usbip_common.c, usbip_recv()", byte_by_byte),
      make("client.addresses", "ignores devid, direction and ep of replies",
           "linux: drivers/usb/usbip/vhci_rx.c, vhci_recv_ret_submit()", addresses),
      make("client.stalls", "uses a device that stalls requests for strings", "usb: USB 2.0, 9.6.7",
           stalls),
      make("client.unlink",
           "gives up a request that is not answered, by UNLINK or by ending the connection",
           "linux: drivers/usb/usbip/vhci_hcd.c, vhci_urb_dequeue()", unlink_cancels),
      make("client.unlink_too_late", "takes the reply that comes before the RET_UNLINK",
           "linux: drivers/usb/usbip/vhci_rx.c, vhci_recv_ret_unlink()", unlink_too_late),
      make("client.unknown_unlink", "survives a RET_UNLINK for nothing that it has sent",
           "linux: drivers/usb/usbip/vhci_rx.c, vhci_recv_ret_unlink()", unknown_unlink),
      make("client.unknown_submit", "survives a RET_SUBMIT for nothing that it has sent",
           "dorssel/usbipd-win 300, 538, 684", unknown_submit),
      make("client.oversized", "ends the connection when a reply has more data than it asked for",
           "linux: drivers/usb/usbip/usbip_common.c, usbip_recv_xbuff()", oversized),
      make("client.negative", "ends the connection when a reply has an actual_length of -1",
           "linux: drivers/usb/usbip/usbip_common.c, usbip_recv_xbuff()", negative),
      make("client.unknown_command", "ends the connection upon a command that does not exist",
           "linux: drivers/usb/usbip/vhci_rx.c, vhci_rx_pdu()", unknown_command),
      make("client.half_reply", "ends when the connection does, in the middle of a header",
           "yunsmall/usbipdcpp", half_reply),
      make("client.server_ends", "lets go of the connection when the server has ended it",
           "linux: drivers/usb/usbip/vhci_rx.c, vhci_rx_pdu()", server_ends),
      make("client.detach", "ends the connection when the device is detached",
           "linux: tools/usb/usbip/src/usbip_detach.c, detach_port()", detach),
  };
  return all;
}

}  // namespace periprox::check
