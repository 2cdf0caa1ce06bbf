// Bulk transfers: sizes from nothing to more than anybody has memory for, and the flags that reach
// the device. Needs a device like gadget zero, which sends and takes zeros, or echoes.
#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"

namespace periprox::check {
namespace {

constexpr std::int32_t kRemoteIo = -121;
constexpr std::int32_t kNoMemory = -12;

std::int32_t whole_packets(std::uint32_t wanted, const Place& place) {
  return static_cast<std::int32_t>((wanted + place.packet - 1) / place.packet * place.packet);
}

/// `may_refuse`: a server may say that it has no memory for this much.
void in_of(Probe& probe, std::uint32_t size, bool may_refuse) {
  auto device = probe.import();
  const auto& in = probe.source_in(device);
  auto read = in.submit();
  read.length = whole_packets(size, in);
  const auto reply = device.run(read);
  if (may_refuse && reply.status == kNoMemory) {
    require(reply.data.empty(), "a refused transfer brings data");
  } else {
    require(reply.status == 0, "it ends with status " + status_text(reply.status));
    require(reply.actual_length() == read.length, std::to_string(reply.actual_length()) + " of " +
                                                      std::to_string(read.length) + " bytes came");
  }
  require_works(device, "after it");
}

void out_of(Probe& probe, std::uint32_t size, bool may_refuse) {
  auto device = probe.import();
  auto write = probe.sink_out(device).submit();
  write.length = static_cast<std::int32_t>(size);
  write.data.resize(size);
  const auto reply = device.run(write);
  if (!(may_refuse && reply.status == kNoMemory)) {
    require(reply.status == 0, "it ends with status " + status_text(reply.status));
    require(reply.actual_length() == write.length, std::to_string(reply.actual_length()) + " of " +
                                                       std::to_string(size) + " bytes were taken");
  }
  require_works(device, "after it");
}

/// An IN transfer shorter than a packet: the device may babble, the server must answer.
void small_in(Probe& probe, std::int32_t length) {
  auto device = probe.import();
  auto read = probe.source_in(device).submit();
  read.length = length;
  (void)device.run(read);
  require_works(device, "after it");
}

void packets_ignored(Probe& probe) {
  auto device = probe.import();
  for (const std::int32_t count : {-1, 5, 0x5a5a5a5a}) {
    auto read = probe.source_in(device).submit();
    read.length = static_cast<std::int32_t>(probe.source_in(device).packet);
    read.number_of_packets = count;
    require_ok(device, read, "reading with number_of_packets " + std::to_string(count));
    auto write = probe.sink_out(device).submit();
    write.data.resize(64);
    write.length = 64;
    write.number_of_packets = count;
    require_ok(device, write, "writing with number_of_packets " + std::to_string(count));
  }
  require_works(device, "after it");
}

void no_payload(Probe& probe) {
  auto device = probe.import();
  auto write = probe.sink_out(device).submit();
  write.data.resize(512);
  write.length = 512;
  const auto reply = require_ok(device, write, "writing 512 bytes");
  require(reply.actual_length() == 512, "actual_length is not 512");
  // Were there a payload, the next reply would not begin where it should.
  require_works(device, "after it");
}

void byte_by_byte(Probe& probe) {
  auto device = probe.import();
  auto write = probe.sink_out(device).submit();
  write.data.resize(30);
  write.length = 30;
  const auto seqnum = device.expect(write);
  for (const auto byte : encode_submit(write, seqnum, device.devid())) {
    device.connection().send_struct(byte);
    (void)device.connection().next(std::chrono::milliseconds(1));
  }
  require(device.reply_to(seqnum).status == 0, "the transfer fails");
}

Submit write_to(const Place& out, std::size_t size, std::uint32_t flags = 0) {
  auto write = out.submit();
  write.flags = flags;
  write.length = static_cast<std::int32_t>(size);
  for (std::size_t i = 0; i < size; ++i) write.data.push_back(static_cast<std::byte>(i * 7 + 1));
  return write;
}

void echo_data(Probe& probe) {
  auto device = probe.import();
  const auto& echo = probe.echo(device);
  for (const std::size_t size : {1U, 63U, 3000U, 4095U}) {
    auto read = echo.in.submit();
    read.length = whole_packets(4096, echo.in);
    const auto reading = device.submit(read);
    const auto write = write_to(echo.out, size);
    require_ok(device, write, "writing");
    const auto reply = device.reply_to(reading);
    require(reply.status == 0, "reading ends with status " + status_text(reply.status));
    require(reply.data == write.data,
            "of " + std::to_string(size) + " bytes others come back than were sent");
  }
}

void zero_packet(Probe& probe) {
  auto device = probe.import();
  const auto& echo = probe.echo(device);
  auto read = echo.in.submit();
  read.length = whole_packets(4096, echo.in);
  const auto reading = device.submit(read);
  const auto write = write_to(echo.out, echo.out.packet, wire::usbip::kFlagZeroPacket);
  require_ok(device, write, "writing one full packet with ZERO_PACKET");
  require(device.has_reply(reading, device.connection().patience().each),
          "the device still waits for the end of the transfer: no zero-length packet was sent");
  const auto reply = device.reply_to(reading);
  require(reply.data == write.data, "other data comes back than was sent");
}

void short_not_ok(Probe& probe) {
  auto device = probe.import();
  const auto& echo = probe.echo(device);
  auto read = echo.in.submit();
  read.length = whole_packets(512, echo.in);
  read.flags = wire::usbip::kFlagShortNotOk;
  const auto reading = device.submit(read);
  require_ok(device, write_to(echo.out, 5), "writing 5 bytes");
  const auto reply = device.reply_to(reading);
  require(reply.status == kRemoteIo, "a short read with SHORT_NOT_OK ends with status " +
                                         status_text(reply.status) + ", not -121");
  require(reply.actual_length() == 5, "the 5 bytes that came are not handed on");
}

}  // namespace

std::vector<Case> bulk_cases() {
  constexpr auto kSizes = "dorssel/usbipd-win 645, 581";
  constexpr auto kZeroPacket = "dorssel/usbipd-win 924; linux-msm/qdl 267";
  const auto in = [](std::uint32_t size, bool may_refuse) {
    return [=](Probe& probe) { in_of(probe, size, may_refuse); };
  };
  const auto out = [](std::uint32_t size, bool may_refuse) {
    return [=](Probe& probe) { out_of(probe, size, may_refuse); };
  };
  return {
      {"bulk.in_0", "answers an IN transfer of 0 bytes", kSizes, Touch::Changes,
       [](Probe& probe) { small_in(probe, 0); }},
      {"bulk.in_1", "answers an IN transfer of 1 byte", kSizes, Touch::Changes,
       [](Probe& probe) { small_in(probe, 1); }},
      {"bulk.in_64k", "moves 64 KiB in", kSizes, Touch::Changes, in(64U << 10, false)},
      {"bulk.in_1m", "moves 1 MiB in", kSizes, Touch::Changes, in(1U << 20, false)},
      {"bulk.in_16m", "answers an IN transfer of 16 MiB, with the data or with -12", kSizes,
       Touch::Changes, in(16U << 20, true)},
      {"bulk.out_0", "answers an OUT transfer of 0 bytes", kSizes, Touch::Changes, out(0, false)},
      {"bulk.out_1", "moves 1 byte out", kSizes, Touch::Changes, out(1, false)},
      {"bulk.out_64k", "moves 64 KiB out", kSizes, Touch::Changes, out(64U << 10, false)},
      {"bulk.out_1m", "moves 1 MiB out", kSizes, Touch::Changes, out(1U << 20, false)},
      {"bulk.out_1224k", "moves 1224 KiB out, as fastboot does", "dorssel/usbipd-win 581",
       Touch::Changes, out(1224U << 10, false)},
      {"bulk.out_16m", "answers an OUT transfer of 16 MiB, with 0 or with -12", kSizes,
       Touch::Changes, out(16U << 20, true)},
      {"bulk.out_no_payload", "sends no data back after an OUT transfer", "Alia5/VIIPER 37",
       Touch::Changes, no_payload},
      {"bulk.out_byte_by_byte", "takes OUT data that arrives one byte at a time",
       "linux: drivers/usb/usbip/usbip_common.c, usbip_recv_xbuff()", Touch::Changes, byte_by_byte},
      {"bulk.packets_ignored", "never takes number_of_packets of a bulk URB for a size",
       "dorssel/usbipd-win 450; raspberrypi/linux 7572", Touch::Changes, packets_ignored},
      {"bulk.echo", "gives every byte back as it was sent", "linux: f_loopback.c", Touch::Changes,
       echo_data},
      {"bulk.zero_packet", "ends a transfer with an empty packet when ZERO_PACKET asks for it",
       kZeroPacket, Touch::Changes, zero_packet},
      {"bulk.short_not_ok", "ends a short read with -121 when SHORT_NOT_OK asks for it",
       "linux: drivers/usb/core/hcd.c, __usb_hcd_giveback_urb()", Touch::Changes, short_not_ok},
  };
}

}  // namespace periprox::check
