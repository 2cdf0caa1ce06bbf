// UNLINK, where most servers have been wrong: an URB ends in exactly one of two ways, by its
// RET_SUBMIT (then RET_UNLINK says 0) or by RET_UNLINK(-ECONNRESET) alone.
// linux: drivers/usb/usbip/{stub_rx.c,stub_tx.c,vhci_rx.c}. That no RET_SUBMIT follows the
// RET_UNLINK of a pending URB is judged by Imported, in every case of this file.
#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"

namespace periprox::check {
namespace {

constexpr std::int32_t kConnReset = -104;

Submit read_of(const Place& place) {
  auto submit = place.submit();
  submit.length = static_cast<std::int32_t>(place.packet);
  return submit;
}

/// The reply to an UNLINK whose target was pending for sure.
void require_cancelled(Imported& device, std::uint32_t unlink) {
  const auto reply = device.reply_to(unlink);
  require(reply.is_unlink(), "the UNLINK is not answered by a RET_UNLINK");
  require(reply.status == kConnReset, "the UNLINK of a pending URB ends with status " +
                                          status_text(reply.status) + ", not -104 (cancelled)");
}

void require_done(Imported& device, std::uint32_t unlink, std::string_view target) {
  const auto reply = device.reply_to(unlink);
  require(reply.is_unlink(), "the UNLINK is not answered by a RET_UNLINK");
  if (reply.status != 0) {
    failed("the UNLINK of " + std::string(target) + " ends with status " +
           status_text(reply.status) + ", not 0");
  }
}

void unknown(Probe& probe) {
  auto device = probe.import();
  require_done(device, device.unlink(0x70000000), "an unknown seqnum");
  require_works(device, "after it");
}

void completed(Probe& probe) {
  auto device = probe.import();
  const auto done = device.run(get_device_descriptor());
  require_done(device, device.unlink(done.seqnum), "a completed URB");
  require_done(device, device.unlink(done.seqnum), "a completed URB, again");
  require_works(device, "after it");
}

void of_unlink(Probe& probe) {
  auto device = probe.import();
  const auto first = device.unlink(0x70000000);
  require_done(device, first, "an unknown seqnum");
  require_done(device, device.unlink(first), "another UNLINK");
  require_works(device, "after it");
}

void pending(Probe& probe) {
  auto device = probe.import();
  const auto read = read_of(probe.idle_in(device));
  require_cancelled(device, device.unlink(device.submit(read)));
  require_works(device, "after it");
}

void twice(Probe& probe) {
  auto device = probe.import();
  const auto target = device.submit(read_of(probe.idle_in(device)));
  const auto first = device.unlink(target);
  const auto second = device.unlink(target);
  require_cancelled(device, first);
  const auto reply = device.reply_to(second);
  require(reply.is_unlink() && (reply.status == 0 || reply.status == kConnReset),
          "the second UNLINK ends with status " + status_text(reply.status));
  require_works(device, "after it");
}

void many(Probe& probe) {
  auto device = probe.import();
  const auto read = read_of(probe.idle_in(device));
  std::vector<std::uint32_t> targets;
  for (int i = 0; i < 200; ++i) targets.push_back(device.submit(read));
  std::vector<std::uint32_t> unlinks;
  for (const auto target : targets) unlinks.push_back(device.unlink(target));
  for (const auto unlink : unlinks) require_cancelled(device, unlink);
  require(device.pending() == 0, "URBs are neither answered nor cancelled");
  require_works(device, "after it");
}

void backwards(Probe& probe) {
  auto device = probe.import();
  const auto read = read_of(probe.idle_in(device));
  std::vector<std::uint32_t> targets;
  for (int i = 0; i < 50; ++i) targets.push_back(device.submit(read));
  for (; !targets.empty(); targets.pop_back()) {
    require_cancelled(device, device.unlink(targets.back()));
  }
  require_works(device, "after it");
}

void others_stay(Probe& probe) {
  auto device = probe.import();
  const auto read = read_of(probe.idle_in(device));
  const auto first = device.submit(read);
  const auto middle = device.submit(read);
  const auto last = device.submit(read);
  require_cancelled(device, device.unlink(middle));
  require_works(device, "after it");
  for (const auto other : {first, last}) {
    require(!device.has_reply(other, std::chrono::milliseconds(100)),
            "an URB that nobody cancelled was ended with another");
  }
  require_cancelled(device, device.unlink(last));
  require_cancelled(device, device.unlink(first));
}

void then_submit(Probe& probe) {
  auto device = probe.import();
  const auto& echo = probe.echo(device);
  require_cancelled(device, device.unlink(device.submit(read_of(echo.in))));
  const auto reading = device.submit(read_of(echo.in));
  auto write = echo.out.submit();
  write.data = std::vector<std::byte>(5, std::byte{0x42});
  write.length = 5;
  require_ok(device, write, "writing after the UNLINK");
  const auto reply = device.reply_to(reading);
  require(reply.status == 0 && reply.data == write.data,
          "what is submitted after the UNLINK does not get the data");
}

void race(Probe& probe) {
  auto device = probe.import();
  const auto read = read_of(probe.source_in(device));
  for (int round = 0; round < 1000; ++round) {
    const auto target = device.submit(read);
    const auto unlink = device.unlink(target);
    const auto reply = device.reply_to(unlink);
    const bool answered = device.has_reply(target, Duration::zero());
    if (answered) (void)device.reply_to(target);
    if (reply.status == 0 && !answered) {
      failed("RET_UNLINK(0) before the RET_SUBMIT: the data is lost");
    }
    require(reply.status == 0 || reply.status == kConnReset,
            "the UNLINK ends with status " + status_text(reply.status));
    require(answered != (reply.status == kConnReset),
            "RET_SUBMIT and RET_UNLINK(-104) for the same URB");
  }
  require_works(device, "after it");
}

void race_on_control(Probe& probe) {
  auto device = probe.import();
  for (int round = 0; round < 500; ++round) {
    const auto target = device.submit(get_device_descriptor());
    const auto reply = device.reply_to(device.unlink(target));
    const bool answered = device.has_reply(target, Duration::zero());
    if (answered) (void)device.reply_to(target);
    if (reply.status == 0 && !answered) {
      failed("RET_UNLINK(0) before the RET_SUBMIT: the data is lost");
    }
    require(reply.status == 0 || reply.status == kConnReset,
            "the UNLINK ends with status " + status_text(reply.status));
  }
  require_works(device, "after it");
}

}  // namespace

std::vector<Case> unlink_cases() {
  constexpr auto kUnlink = "jiegec/usbip 39; cezanne/usbip-win 301; dorssel/usbipd-win 538";
  constexpr auto kStub = "linux: drivers/usb/usbip/stub_rx.c, stub_recv_cmd_unlink()";
  constexpr auto kVhci = "linux: drivers/usb/usbip/vhci_rx.c, vhci_recv_ret_unlink()";
  return {
      {"unlink.unknown", "answers the UNLINK of an unknown seqnum with 0", kUnlink, Touch::Reads,
       unknown},
      {"unlink.completed", "answers the UNLINK of a completed URB with 0, each time", kUnlink,
       Touch::Reads, completed},
      {"unlink.of_unlink", "answers the UNLINK of an UNLINK with 0", kStub, Touch::Reads,
       of_unlink},
      {"unlink.pending", "answers the UNLINK of a pending URB with -104, and nothing else", kStub,
       Touch::Changes, pending},
      {"unlink.twice", "answers both UNLINKs of one URB", kUnlink, Touch::Changes, twice},
      {"unlink.many", "answers the UNLINKs of 200 pending URBs", kUnlink, Touch::Changes, many},
      {"unlink.backwards", "cancels the last of many first", kUnlink, Touch::Changes, backwards},
      {"unlink.others_stay", "leaves the endpoint's other URBs alone", "dorssel/usbipd-win 300",
       Touch::Changes, others_stay},
      {"unlink.then_submit", "gives the data to what is submitted after an UNLINK",
       "cezanne/usbip-win 301", Touch::Changes, then_submit},
      {"unlink.race", "ends each URB in one way when UNLINK and completion race", kVhci,
       Touch::Changes, race},
      {"unlink.race_on_control", "ends each control URB in one way when the two race", kVhci,
       Touch::Changes, race_on_control},
  };
}

}  // namespace periprox::check
