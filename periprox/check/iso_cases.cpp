// Isochronous transfers: the packets' offsets and lengths come back as they went, their data comes
// packed, and the sums agree. linux: drivers/usb/usbip/usbip_common.c, usbip_pad_iso().
#include <algorithm>

#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

constexpr std::uint32_t kLargestPacket = 64;  // Enough to tell packets apart.

Place iso_place(Probe& probe, Imported& device, usb::Direction direction) {
  for (const auto& place : probe.survey(device).find(usb::TransferType::Isochronous, direction)) {
    if (place.packet == 0) continue;
    probe.go_to(device, place);
    return place;
  }
  not_applicable(direction == usb::Direction::In ? "the device has no isochronous IN endpoint"
                                                 : "the device has no isochronous OUT endpoint");
}

/// `count` packets of `size` bytes, the begin of each `stride` bytes behind that of the last.
Submit packets(const Place& place, std::uint32_t count, std::uint32_t size, std::uint32_t stride) {
  auto submit = place.submit();
  submit.flags = kFlagIsoAsap;
  submit.number_of_packets = static_cast<std::int32_t>(count);
  submit.length = static_cast<std::int32_t>(count * stride);
  for (std::uint32_t i = 0; i < count; ++i) {
    submit.iso.push_back({.offset = i * stride, .length = size, .status = kIsoStatusAtSubmit});
  }
  if (!submit.in) submit.data.resize(std::size_t{count} * stride);
  return submit;
}

/// What the importer's kernel relies on without looking (vhci_recv_ret_submit()).
void judge(const Submit& submit, const Reply& reply) {
  require(reply.header.number_of_packets == submit.number_of_packets,
          "number_of_packets is not that of the request");
  std::uint64_t sum = 0;
  std::int32_t errors = 0;
  for (std::size_t i = 0; i < submit.iso.size(); ++i) {
    const auto& asked = submit.iso[i];
    const auto& given = reply.iso[i];
    const auto which = "packet " + std::to_string(i);
    require(given.offset == asked.offset, which + " comes back with another offset");
    require(given.length == asked.length, which + " comes back with another length");
    require(given.actual_length <= asked.length, which + " has more bytes than were asked for");
    require(given.status <= 0, which + " has a positive status");
    sum += given.actual_length;
    if (given.status != 0) ++errors;
  }
  require(sum == static_cast<std::uint64_t>(reply.actual_length()),
          "the packets have " + std::to_string(sum) + " bytes, actual_length is " +
              std::to_string(reply.actual_length()));
  require(reply.header.error_count == errors, "error_count is " +
                                                  std::to_string(reply.header.error_count) + ", " +
                                                  std::to_string(errors) + " packets failed");
}

void run(Probe& probe, usb::Direction direction, std::uint32_t count, std::uint32_t gap) {
  auto device = probe.import();
  const auto place = iso_place(probe, device, direction);
  const auto size = std::min(place.packet, kLargestPacket);
  const auto submit = packets(place, count, size, size + gap);
  const auto reply = device.run(submit);
  require(reply.status == 0, "it ends with status " + status_text(reply.status));
  judge(submit, reply);
  require_works(device, "after it");
}

void empty_packets(Probe& probe) {
  auto device = probe.import();
  auto submit = packets(iso_place(probe, device, usb::Direction::In), 8, 16, 16);
  for (std::size_t i = 0; i < submit.iso.size(); i += 2) submit.iso[i].length = 0U;
  const auto reply = device.run(submit);
  judge(submit, reply);
  require_works(device, "after it");
}

void no_packets(Probe& probe) {
  auto device = probe.import();
  const auto submit = packets(iso_place(probe, device, usb::Direction::In), 0, 0, 0);
  (void)device.run(submit);
  require_works(device, "after it");
}

void too_many(Probe& probe) {
  for (const std::int32_t count : {1025, 0x7fffffff, -2}) {
    {
      auto device = probe.import();
      auto submit = packets(iso_place(probe, device, usb::Direction::In), 1, 16, 16);
      submit.number_of_packets = count;
      const auto seqnum = device.expect(submit);
      device.connection().send(encode_submit(submit, seqnum, device.devid()));
      require(device.connection().next() != Connection::Next::Nothing,
              "neither an answer nor the end of the connection");
    }
    auto again = probe.import();
    require_works(again, "in the next session");
  }
}

void outside(Probe& probe) {
  auto device = probe.import();
  auto submit = packets(iso_place(probe, device, usb::Direction::In), 4, 16, 16);
  submit.iso[2].offset = 0xfffffff0U;
  const auto reply = device.run(submit);
  require(reply.status != 0, "a packet outside of the buffer succeeds");
  require_works(device, "after it");
}

void in_order(Probe& probe) {
  auto device = probe.import();
  const auto place = iso_place(probe, device, usb::Direction::In);
  const auto submit = packets(place, 8, std::min(place.packet, kLargestPacket), kLargestPacket);
  std::vector<std::uint32_t> sent;
  for (int i = 0; i < 32; ++i) sent.push_back(device.submit(submit));
  for (const auto seqnum : sent) {
    const auto reply = device.next_reply();
    require(reply.seqnum == seqnum, "the URBs of one endpoint come back out of order");
    judge(submit, reply);
  }
}

void unlinked(Probe& probe) {
  auto device = probe.import();
  const auto place = iso_place(probe, device, usb::Direction::In);
  const auto submit = packets(place, 256, 16, 16);
  std::vector<std::uint32_t> unlinks;
  std::vector<std::uint32_t> sent;
  for (int i = 0; i < 8; ++i) sent.push_back(device.submit(submit));
  for (const auto seqnum : sent) unlinks.push_back(device.unlink(seqnum));
  for (const auto unlink : unlinks) {
    const auto reply = device.reply_to(unlink);
    require(reply.status == 0 || reply.status == -104,
            "an UNLINK ends with status " + status_text(reply.status));
  }
  require_works(device, "after it");
}

}  // namespace

std::vector<Case> iso_cases() {
  constexpr auto kCounts = "QubesOS/qubes-issues 3628; cezanne/usbip-win 44";
  constexpr auto kSums = "linux: drivers/usb/usbip/usbip_common.c, usbip_recv_iso()";
  constexpr auto kUsbfs =
      "linux: drivers/usb/core/devio.c, MAX_ISO_PACKETS 128; "
      "QubesOS/qubes-issues 3628";
  constexpr auto kBound = "linux: drivers/usb/usbip/usbip_common.h, USBIP_MAX_ISO_PACKETS";
  const auto in = [](std::uint32_t count, std::uint32_t gap = 0) {
    return [=](Probe& probe) { run(probe, usb::Direction::In, count, gap); };
  };
  const auto out = [](std::uint32_t count, std::uint32_t gap = 0) {
    return [=](Probe& probe) { run(probe, usb::Direction::Out, count, gap); };
  };
  return {
      {"iso.in_1", "answers 1 packet, IN", kCounts, Touch::Changes, in(1)},
      {"iso.in_10", "answers 10 packets, IN", kCounts, Touch::Changes, in(10)},
      {"iso.in_128", "answers 128 packets, IN", kUsbfs, Touch::Changes, in(128)},
      {"iso.in_129", "answers 129 packets, IN", kUsbfs, Touch::Changes, in(129)},
      {"iso.in_1024", "answers 1024 packets, IN", kBound, Touch::Changes, in(1024)},
      {"iso.in_gaps", "sends IN data packed, and the offsets as they came", kSums, Touch::Changes,
       in(8, 100)},
      {"iso.in_empty_packets", "answers packets of 0 bytes", kSums, Touch::Changes, empty_packets},
      {"iso.in_order", "answers the URBs of one endpoint in their order", kSums, Touch::Changes,
       in_order},
      {"iso.out_1", "answers 1 packet, OUT", kCounts, Touch::Changes, out(1)},
      {"iso.out_129", "answers 129 packets, OUT", kUsbfs, Touch::Changes, out(129)},
      {"iso.out_1024", "answers 1024 packets, OUT", kBound, Touch::Changes, out(1024)},
      {"iso.out_gaps", "takes OUT data with gaps, and sums only what was sent", kSums,
       Touch::Changes, out(8, 100)},
      {"iso.no_packets", "answers an isochronous URB without packets",
       "linux: drivers/bluetooth/btusb.c", Touch::Changes, no_packets},
      {"iso.too_many", "survives more packets than 1024, or fewer than none", kBound,
       Touch::Changes, too_many},
      {"iso.outside", "refuses a packet that lies outside of the buffer",
       "linux: drivers/usb/usbip/usbip_common.c, usbip_pad_iso()", Touch::Changes, outside},
      {"iso.unlink", "cancels isochronous URBs", "dorssel/usbipd-win 538", Touch::Changes,
       unlinked},
  };
}

}  // namespace periprox::check
