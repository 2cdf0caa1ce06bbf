// The fields of CMD_SUBMIT and RET_SUBMIT, one by one: what clients fill them with, and what a
// server may take them for. linux: Documentation/usb/usbip_protocol.rst,
// drivers/usb/usbip/stub_rx.c.
#include <algorithm>
#include <functional>
#include <limits>

#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

constexpr std::int32_t kGarbage = 0x5a5a5a5a;

Submit with_packets(std::int32_t count) {
  auto submit = get_device_descriptor();
  submit.number_of_packets = count;
  return submit;
}

/// A control request with each packet count: the stream stays in step.
void packets_accepted(Probe& probe, std::int32_t count) {
  auto device = probe.import();
  const auto reply = require_ok(device, with_packets(count), "GET_DESCRIPTOR");
  require(reply.data.size() == 18, "the descriptor is not complete");
  require_works(device, "after it");
}

void packets_mirrored(Probe& probe) {
  auto device = probe.import();
  for (const std::int32_t count : {0, -1, kGarbage}) {
    const auto reply = require_ok(device, with_packets(count), "GET_DESCRIPTOR");
    require(reply.header.number_of_packets == count,
            "number_of_packets " + std::to_string(count) + " comes back as " +
                std::to_string(reply.header.number_of_packets));
  }
}

void addresses_zero(Probe& probe) {
  auto device = probe.import();
  const auto is_zero = [](const BasicHeader& basic) {
    return basic.devid == 0 && basic.direction == 0 && basic.ep == 0;
  };
  const auto submitted = device.run(get_device_descriptor());
  require(is_zero(submitted.header.basic), "RET_SUBMIT has a devid, a direction or an endpoint");
  const auto unlinked = device.reply_to(device.unlink(submitted.seqnum));
  require(is_zero(unlinked.header.basic), "RET_UNLINK has a devid, a direction or an endpoint");
}

void padding_zero(Probe& probe) {
  auto device = probe.import();
  const auto reply = device.run(get_device_descriptor());
  require(reply.header.padding == decltype(reply.header.padding){},
          "the last 8 bytes of RET_SUBMIT are not 0");
  require(reply.header.error_count == 0, "error_count is not 0");
}

void seqnum_opaque(Probe& probe) {
  auto device = probe.import();
  auto& connection = device.connection();
  for (const std::uint32_t seqnum : {0xffffffffU, 0x80000000U, 0U, 7U, 6U}) {
    connection.send(encode_submit(get_device_descriptor(), seqnum, device.devid()));
    const auto reply = connection.receive_struct<RetSubmit>("reply");
    require(reply.basic.seqnum == seqnum && reply.status == 0,
            "seqnum " + std::to_string(seqnum) + " is not answered");
    (void)connection.receive(static_cast<std::size_t>(reply.actual_length), "descriptor");
  }
}

void host_flags(Probe& probe) {
  auto device = probe.import();
  auto submit = get_device_descriptor();
  // NO_TRANSFER_DMA_MAP, NO_INTERRUPT, FREE_BUFFER, DIR_IN and the mapping bits but SG.
  submit.flags = 0x00bb0384;
  (void)require_ok(device, submit, "GET_DESCRIPTOR");
  submit.flags = 0;  // DIR_IN is not set: the header's direction decides.
  (void)require_ok(device, submit, "GET_DESCRIPTOR");
}

void byte_by_byte(Probe& probe) {
  auto device = probe.import();
  const auto submit = get_device_descriptor();
  const auto seqnum = device.expect(submit);
  for (const auto byte : encode_submit(submit, seqnum, device.devid())) {
    device.connection().send_struct(byte);
    (void)device.connection().next(std::chrono::milliseconds(1));
  }
  require(device.reply_to(seqnum).status == 0, "the request fails");
}

/// After nonsense the server may answer with an error, or end the connection; it may not do what
/// was asked, nor hang, nor stop serving.
void refused_or_ended(Probe& probe, const std::vector<std::byte>& message) {
  {
    auto device = probe.import();
    device.connection().send(message);
    const auto next = device.connection().next();
    require(next != Connection::Next::Nothing, "neither an answer nor the end of the connection");
    if (next == Connection::Next::Byte) {
      const auto reply = device.connection().receive_struct<RetSubmit>("reply");
      require(reply.status != 0, "it is answered with status 0");
    }
  }
  auto again = probe.import();
  require_works(again, "in the next session");
}

std::vector<std::byte> changed(Probe& probe, const std::function<void(CmdSubmit&)>& change) {
  const auto& record = probe.survey().record;
  auto bytes = encode_submit(get_device_descriptor(), 1, record.busnum << 16 | record.devnum);
  auto header = *read_as<CmdSubmit>(bytes);
  change(header);
  const auto raw = bytes_of(header);
  return {raw.begin(), raw.end()};
}

void wrong_devid(Probe& probe) {
  refused_or_ended(probe, changed(probe, [](CmdSubmit& header) {
                     header.basic.devid = std::uint32_t{header.basic.devid} + 0x00010001;
                   }));
}
void unknown_command(Probe& probe) {
  for (const std::uint32_t command : {0U, 5U, 0xffffffffU}) {
    refused_or_ended(
        probe, changed(probe, [command](CmdSubmit& header) { header.basic.command = command; }));
  }
}
void reply_as_command(Probe& probe) {
  for (const std::uint32_t command : {3U, 4U}) {
    refused_or_ended(
        probe, changed(probe, [command](CmdSubmit& header) { header.basic.command = command; }));
  }
}
void endpoint_number(Probe& probe) {
  for (const std::uint32_t ep : {16U, 0x81U, 0xffffffffU}) {
    refused_or_ended(probe, changed(probe, [ep](CmdSubmit& header) { header.basic.ep = ep; }));
  }
}
void direction(Probe& probe) {
  refused_or_ended(probe, changed(probe, [](CmdSubmit& header) { header.basic.direction = 7U; }));
}

std::uint32_t missing_endpoint(const Survey& survey) {
  for (std::uint32_t number = 15; number > 0; --number) {
    const bool used = std::ranges::any_of(
        survey.places, [number](const Place& place) { return place.address.number() == number; });
    if (!used) return number;
  }
  not_applicable("the device has every endpoint there is");
}

void missing_in(Probe& probe) {
  const auto number = missing_endpoint(probe.survey());
  auto device = probe.import();
  const auto reply = device.run({.ep = number, .in = true, .length = 64});
  require(reply.status != 0, "a transfer on an endpoint that is not there succeeds");
  require_works(device, "after it");
}

void missing_out(Probe& probe) {
  const auto number = missing_endpoint(probe.survey());
  auto device = probe.import();
  const auto reply = device.run({.ep = number, .length = 100, .data = std::vector<std::byte>(100)});
  require(reply.status != 0, "a transfer on an endpoint that is not there succeeds");
  require_works(device, "after it: was the data taken for a header?");
}

void negative_in(Probe& probe) {
  refused_or_ended(probe,
                   changed(probe, [](CmdSubmit& header) { header.transfer_buffer_length = -1; }));
}
void negative_out(Probe& probe) {
  refused_or_ended(probe, changed(probe, [](CmdSubmit& header) {
                     header.basic.direction = 0U;
                     header.transfer_buffer_length = std::numeric_limits<std::int32_t>::min();
                   }));
}
void huge_in(Probe& probe) {
  refused_or_ended(probe, changed(probe, [](CmdSubmit& header) {
                     header.transfer_buffer_length = std::numeric_limits<std::int32_t>::max();
                   }));
}
void huge_out(Probe& probe) {
  const auto message = changed(probe, [](CmdSubmit& header) {
    header.basic.direction = 0U;
    header.transfer_buffer_length = std::numeric_limits<std::int32_t>::max();
    header.setup = usb::SetupPacket{};
  });
  {
    auto device = probe.import();
    device.connection().send(message);
    // Whoever announces 2 GiB and leaves must cost nothing.
    device.connection().send(std::vector<std::byte>(4096));
  }
  auto again = probe.import();
  require_works(again, "in the next session");
}

}  // namespace

std::vector<Case> header_cases() {
  constexpr auto kPackets = "dorssel/usbipd-win 450; raspberrypi/linux 7572";
  constexpr auto kRst = "linux: Documentation/usb/usbip_protocol.rst, USBIP_RET_SUBMIT";
  constexpr auto kStub = "linux: drivers/usb/usbip/stub_rx.c, stub_rx_pdu()";
  constexpr auto kEndpoint = "linux: drivers/usb/usbip/stub_rx.c, get_pipe()";
  const auto packets = [](std::int32_t count) {
    return [count](Probe& probe) { packets_accepted(probe, count); };
  };
  return {
      {"header.packets_0", "takes number_of_packets 0 for a control URB, as Linux sends it",
       "linux: drivers/usb/usbip/usbip_common.c, usbip_pack_cmd_submit()", Touch::Reads,
       packets(0)},
      {"header.packets_minus_1", "takes number_of_packets -1, as usbip_protocol.rst has it",
       kPackets, Touch::Reads, packets(-1)},
      {"header.packets_garbage", "never takes number_of_packets of a control URB for a size",
       kPackets, Touch::Reads, packets(kGarbage)},
      {"header.packets_mirrored", "sends number_of_packets back as it came", kPackets, Touch::Reads,
       packets_mirrored},
      {"header.addresses_zero", "sends devid, direction and ep as 0 in replies", kRst, Touch::Reads,
       addresses_zero},
      {"header.padding_zero", "sends zeros where RET_SUBMIT has padding", kRst, Touch::Reads,
       padding_zero},
      {"header.seqnum_opaque", "takes any number for a seqnum, in any order",
       "linux: drivers/usb/usbip/vhci_hcd.c, vhci_tx_urb(); vadimgrn/usbip-win2, libdrv",
       Touch::Reads, seqnum_opaque},
      {"header.host_flags", "ignores the transfer_flags that only concern the host",
       "linux: drivers/usb/usbip/stub_rx.c, masking_bogus_flags()", Touch::Reads, host_flags},
      {"header.byte_by_byte", "takes a CMD_SUBMIT that arrives one byte at a time",
       "linux: drivers/usb/usbip/usbip_common.c, usbip_recv()", Touch::Reads, byte_by_byte},
      {"header.wrong_devid", "refuses a devid that is not that of the imported device",
       "linux: drivers/usb/usbip/stub_rx.c, valid_request()", Touch::Reads, wrong_devid},
      {"header.unknown_command", "refuses a command that does not exist, and serves on", kStub,
       Touch::Reads, unknown_command},
      {"header.reply_as_command", "refuses replies where commands should be", kStub, Touch::Reads,
       reply_as_command},
      {"header.endpoint_number", "refuses endpoint numbers above 15", kEndpoint, Touch::Changes,
       endpoint_number},
      {"header.direction", "refuses a direction that is neither 0 nor 1", kEndpoint, Touch::Changes,
       direction},
      {"header.missing_in", "answers IN on an endpoint that is not there", kEndpoint, Touch::Reads,
       missing_in},
      {"header.missing_out", "answers OUT on an endpoint that is not there, and takes its data",
       kEndpoint, Touch::Changes, missing_out},
      {"header.negative_in", "survives a transfer_buffer_length of -1, IN",
       "linux: drivers/usb/usbip/stub_rx.c, stub_recv_cmd_submit()", Touch::Changes, negative_in},
      {"header.negative_out", "survives a negative transfer_buffer_length, OUT",
       "linux: drivers/usb/usbip/stub_rx.c, stub_recv_cmd_submit()", Touch::Changes, negative_out},
      {"header.huge_in", "survives a transfer_buffer_length of 2 GiB, IN", "dorssel/usbipd-win 581",
       Touch::Changes, huge_in},
      {"header.huge_out", "survives a transfer_buffer_length of 2 GiB that never comes, OUT",
       "dorssel/usbipd-win 581", Touch::Changes, huge_out},
  };
}

}  // namespace periprox::check
