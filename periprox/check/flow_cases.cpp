// Many at once, and readers that are slow: memory stays bounded, and nobody waits for somebody
// else.
#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"

namespace periprox::check {
namespace {

void thousand_requests(Probe& probe) {
  auto device = probe.import();
  std::vector<std::byte> together;
  std::vector<std::uint32_t> sent;
  for (int i = 0; i < 1000; ++i) {
    const auto submit = get_device_descriptor();
    sent.push_back(device.expect(submit));
    const auto bytes = encode_submit(submit, sent.back(), device.devid());
    together.insert(together.end(), bytes.begin(), bytes.end());
  }
  device.connection().send(together);
  for (const auto seqnum : sent) {
    const auto reply = device.next_reply();
    require(reply.seqnum == seqnum, "control URBs come back out of order");
    require(reply.status == 0 && reply.data.size() == 18, "a request fails");
  }
}

void thousand_pending(Probe& probe) {
  auto device = probe.import();
  const auto& in = probe.idle_in(device);
  auto read = in.submit();
  read.length = static_cast<std::int32_t>(in.packet);
  std::vector<std::uint32_t> sent;
  for (int i = 0; i < 1000; ++i) sent.push_back(device.submit(read));
  require_works(device, "with 1000 URBs pending");
  std::vector<std::uint32_t> unlinks;
  for (const auto seqnum : sent) unlinks.push_back(device.unlink(seqnum));
  for (const auto unlink : unlinks) {
    const auto reply = device.reply_to(unlink);
    require(reply.is_unlink() && reply.status == -104,
            "an UNLINK of a pending URB ends with status " + status_text(reply.status));
  }
  require_works(device, "after it");
}

void other_endpoints(Probe& probe) {
  auto device = probe.import();
  const auto& in = probe.idle_in(device);
  auto read = in.submit();
  read.length = static_cast<std::int32_t>(in.packet);
  const auto waiting = device.submit(read);
  for (int i = 0; i < 20; ++i) require_works(device, "while another endpoint waits");
  const auto reply = device.reply_to(device.unlink(waiting));
  require(reply.status == -104, "the waiting URB did not wait");
}

void unlink_flood(Probe& probe) {
  auto device = probe.import();
  constexpr int kCount = 10000;
  std::vector<std::uint32_t> sent;
  for (int i = 0; i < kCount; ++i) sent.push_back(device.unlink(0x70000000));
  for (const auto seqnum : sent) {
    const auto reply = device.next_reply();
    require(reply.seqnum == seqnum && reply.status == 0, "an UNLINK is not answered in its turn");
  }
  require_works(device, "after it");
}

void slow_reader(Probe& probe) {
  auto device = probe.import();
  const auto& in = probe.source_in(device);
  auto read = in.submit();
  read.length = static_cast<std::int32_t>((65536 + in.packet - 1) / in.packet * in.packet);
  std::vector<std::byte> together;
  std::vector<std::uint32_t> sent;
  for (int i = 0; i < 512; ++i) {
    sent.push_back(device.expect(read));
    const auto bytes = encode_submit(read, sent.back(), device.devid());
    together.insert(together.end(), bytes.begin(), bytes.end());
  }
  // 32 MiB are asked for and not read. A server may stop reading at any point, but must serve
  // others.
  const auto taken =
      device.connection().send_without_reading(together, std::chrono::milliseconds(200));
  (void)probe.list();
  device.connection().send(Bytes(together).subspan(taken));
  for (const auto seqnum : sent) {
    const auto reply = device.reply_to(seqnum);
    require(reply.status == 0 && reply.actual_length() == read.length,
            "a transfer fails: " + status_text(reply.status));
  }
  require_works(device, "after it");
}

void never_reads(Probe& probe) {
  {
    auto device = probe.import();
    const auto& in = probe.source_in(device);
    auto read = in.submit();
    read.length = static_cast<std::int32_t>((65536 + in.packet - 1) / in.packet * in.packet);
    std::vector<std::byte> together;
    for (int i = 0; i < 256; ++i) {
      const auto seqnum = device.expect(read);
      const auto bytes = encode_submit(read, seqnum, device.devid());
      together.insert(together.end(), bytes.begin(), bytes.end());
    }
    (void)device.connection().send_without_reading(together, std::chrono::milliseconds(200));
    device.connection().reset();
  }
  auto again = probe.import();
  require_works(again, "after a client that read nothing");
}

}  // namespace

std::vector<Case> flow_cases() {
  constexpr auto kMany = "dorssel/usbipd-win 248";
  return {
      {"flow.1000_requests", "answers 1000 requests that are sent at once, in order", kMany,
       Touch::Changes, thousand_requests},
      {"flow.1000_pending", "keeps 1000 URBs pending on one endpoint, and cancels them", kMany,
       Touch::Changes, thousand_pending},
      {"flow.other_endpoints", "answers one endpoint while another waits", kMany, Touch::Changes,
       other_endpoints},
      {"flow.unlink_flood", "answers 10000 UNLINKs", "dorssel/usbipd-win 684", Touch::Changes,
       unlink_flood},
      {"flow.slow_reader", "serves others while a client does not read, and loses nothing", kMany,
       Touch::Changes, slow_reader},
      {"flow.never_reads", "frees the device of a client that never read", "cezanne/usbip-win 211",
       Touch::Changes, never_reads},
  };
}

}  // namespace periprox::check
