#include "periprox/check/client_says.hpp"

#include <algorithm>

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

/// Those of include/uapi/linux/usbip.h; the host's own of the upper half are allowed too.
constexpr std::uint32_t kKnownFlags = 0x0001 | 0x0002 | 0x0004 | 0x0040 | 0x0080 | 0x0100 | 0x0200;
constexpr std::uint32_t kHostFlags = 0x00ff0000;

std::string number(std::int64_t value) { return std::to_string(value); }

}  // namespace

const std::vector<Case>& ClientSays::cases() {
  static const std::vector<Case> all{
      {"says.version", "asks with version 0x0111",
       "linux: tools/usb/usbip/src/usbip_network.c, usbip_net_recv_op_common()"},
      {"says.status", "asks with status 0",
       "linux: Documentation/usb/usbip_protocol.rst, OP_REQ_IMPORT"},
      {"says.busid", "ends the bus id with a NUL inside its field, and fills up with zeros",
       "jiegec/usbip 3"},
      {"says.command", "sends CMD_SUBMIT and CMD_UNLINK and no other command",
       "linux: drivers/usb/usbip/stub_rx.c, stub_rx_pdu()"},
      {"says.devid", "names the device by the busnum and devnum of the import reply",
       "linux: drivers/usb/usbip/stub_rx.c, valid_request()"},
      {"says.endpoint", "submits to endpoints that the device has, in their direction",
       "linux: drivers/usb/usbip/stub_rx.c, get_pipe()"},
      {"says.seqnum", "uses no seqnum again while it is pending",
       "linux: Documentation/usb/usbip_protocol.rst, USBIP_CMD_SUBMIT"},
      {"says.unlink_target", "unlinks only what it has submitted on this connection",
       "linux: drivers/usb/usbip/stub_rx.c, stub_recv_cmd_unlink()"},
      {"says.unlink_padding", "sends zeros where CMD_UNLINK has padding",
       "linux: Documentation/usb/usbip_protocol.rst, USBIP_CMD_UNLINK"},
      {"says.control_length", "gives a control URB the length that its setup packet says",
       "linux: drivers/usb/core/urb.c, usb_submit_urb()"},
      {"says.control_direction", "gives a control URB the direction that its setup packet says",
       "linux: drivers/usb/core/urb.c, usb_submit_urb()"},
      {"says.set_address", "keeps SET_ADDRESS to itself",
       "linux: drivers/usb/usbip/vhci_hcd.c, vhci_urb_enqueue()"},
      {"says.setup", "sends zeros for the setup packet of other URBs",
       "linux: Documentation/usb/usbip_protocol.rst, USBIP_CMD_SUBMIT"},
      {"says.packets", "sends number_of_packets 0 or -1 when the URB is not isochronous",
       "dorssel/usbipd-win 450; raspberrypi/linux 7572"},
      {"says.interval_none", "sends interval 0 for control and bulk",
       "dorssel/usbipd-win: the transfer type is guessed from it"},
      {"says.interval", "sends an interval for interrupt URBs",
       "dorssel/usbipd-win: the transfer type is guessed from it"},
      {"says.flags", "sends no transfer_flags that do not exist",
       "linux: include/uapi/linux/usbip.h"},
      {"says.iso_empty", "sends isochronous packets with actual_length 0",
       "linux: drivers/usb/usbip/usbip_common.c, usbip_recv_iso()"},
      {"says.iso_inside", "places isochronous packets inside the buffer",
       "linux: drivers/usb/usbip/usbip_common.c, usbip_recv_iso()"},
      {"says.iso_gapless", "leaves no gaps between the packets of isochronous OUT",
       "dorssel/usbipd-win: the connection ends unless the lengths add up"},
  };
  return all;
}

ClientSays::ClientSays(const usb::Configuration& configuration, std::uint32_t devid)
    : configuration_(configuration), devid_(devid) {}

void ClientSays::judge(std::string_view name, bool holds, const std::string& found) {
  auto& seen = seen_[std::string(name)];
  if (!holds && !seen.wrong) seen.wrong = found;
}

Outcome ClientSays::outcome(const std::string& name) const {
  const auto found = seen_.find(name);
  if (found == seen_.end()) return {Verdict::NotApplicable, "the client said nothing of the kind"};
  if (found->second.wrong) return {Verdict::Fail, *found->second.wrong};
  return {};
}

void ClientSays::request(const OpHeader& header) {
  judge("says.version", header.version == kVersion, "version " + number(header.version));
  judge("says.status", header.status == 0, "status " + number(header.status));
}

void ClientSays::import(const NameField<kBusIdSize>& busid) {
  const auto name = name_in(busid);
  judge("says.busid", name.has_value(), "no NUL in 32 bytes");
  if (!name) return;
  const bool padded = std::all_of(busid.begin() + static_cast<std::ptrdiff_t>(name->size()),
                                  busid.end(), [](char c) { return c == '\0'; });
  judge("says.busid", padded, "something stands behind the NUL");
}

const usb::Endpoint* ClientSays::endpoint(const BasicHeader& header) const {
  for (const auto& interface : configuration_.interfaces) {
    for (const auto& setting : interface.alternate_settings) {
      for (const auto& each : setting.endpoints) {
        if (each.address().number() == header.ep &&
            each.address().is_in() == (header.direction == 1)) {
          return &each;
        }
      }
    }
  }
  return nullptr;
}

void ClientSays::basic(const BasicHeader& header, const std::set<std::uint32_t>& pending) {
  judge("says.command", true, {});
  judge("says.devid", header.devid == devid_, "devid " + number(header.devid));
  judge("says.seqnum", !pending.contains(header.seqnum),
        "seqnum " + number(header.seqnum) + " is pending already");
}

void ClientSays::submit(const CmdSubmit& header, const std::set<std::uint32_t>& pending) {
  basic(header.basic, pending);
  submitted_.insert(header.basic.seqnum);
  judge("says.flags", (header.transfer_flags & ~(kKnownFlags | kHostFlags)) == 0,
        "transfer_flags " + number(header.transfer_flags));
  if (header.basic.ep == 0) {
    control(header);
    return;
  }
  const auto* place = endpoint(header.basic);
  judge("says.endpoint", place != nullptr,
        "endpoint " + number(header.basic.ep) + ", direction " + number(header.basic.direction));
  if (place == nullptr) return;
  const bool is_iso = place->type() == usb::TransferType::Isochronous;
  judge("says.setup", header.setup == usb::SetupPacket{},
        "a setup packet for an endpoint that has none");
  if (!is_iso) {
    judge("says.packets", header.number_of_packets == 0 || header.number_of_packets == -1,
          "number_of_packets " + number(header.number_of_packets));
  }
  const auto interval = "interval " + number(header.interval);
  if (place->type() == usb::TransferType::Bulk) {
    judge("says.interval_none", header.interval == 0, interval + " for bulk");
  } else if (place->type() == usb::TransferType::Interrupt) {
    judge("says.interval", header.interval > 0, interval + " for interrupt");
  }
}

void ClientSays::control(const CmdSubmit& header) {
  const auto& setup = header.setup;
  judge("says.control_length", header.transfer_buffer_length == setup.wLength,
        "transfer_buffer_length " + number(header.transfer_buffer_length) + ", wLength " +
            number(setup.wLength));
  if (setup.wLength != 0) {
    judge("says.control_direction", setup.is_in() == (header.basic.direction == 1),
          "direction " + number(header.basic.direction) + ", bmRequestType " +
              number(setup.bmRequestType));
  }
  judge("says.set_address", !setup.is_set_address(), "SET_ADDRESS came over the wire");
  judge("says.packets", header.number_of_packets == 0 || header.number_of_packets == -1,
        "number_of_packets " + number(header.number_of_packets) + " for control");
  judge("says.interval_none", header.interval == 0,
        "interval " + number(header.interval) + " for control");
}

void ClientSays::iso(const CmdSubmit& header, const std::vector<IsoDescriptor>& packets) {
  std::uint64_t sum = 0;
  const auto length = static_cast<std::uint32_t>(std::int32_t{header.transfer_buffer_length});
  for (const auto& packet : packets) {
    sum += packet.length;
    judge("says.iso_empty", packet.actual_length == 0,
          "actual_length " + number(packet.actual_length));
    judge("says.iso_inside", std::uint64_t{packet.offset} + packet.length <= length,
          "offset " + number(packet.offset) + ", length " + number(packet.length) + " of " +
              number(length));
  }
  if (header.basic.direction == 0) {
    judge("says.iso_gapless", sum == length,
          "lengths of " + number(static_cast<std::int64_t>(sum)) + " bytes in a buffer of " +
              number(length));
  }
}

void ClientSays::unlink(const CmdUnlink& header, const std::set<std::uint32_t>& pending) {
  basic(header.basic, pending);
  judge("says.unlink_target", submitted_.contains(header.unlink_seqnum),
        "an UNLINK of seqnum " + number(header.unlink_seqnum) + ", which was never submitted");
  judge("says.unlink_padding", header.padding == decltype(header.padding){},
        "the padding is not zero");
}

}  // namespace periprox::check
