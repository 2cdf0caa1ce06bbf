// A USB/IP server session against a client and a device that both do as the input says.
//
// The first byte chooses: whole bytes of the input as the stream (odd), or sound commands in any
// order (even), whose answers can then be read and checked.
#include <cstdint>
#include <map>

#include "fuzz_input.hpp"
#include "periprox/session/server_testing.hpp"
#include "require.hpp"

namespace {

using namespace periprox;                    // NOLINT(google-build-using-namespace)
using namespace periprox::session::testing;  // NOLINT(google-build-using-namespace)
using usb::EndpointAddress;
using usb::Status;

constexpr session::ServerLimits kLimits{.memory = 64 * 1024, .transfer = 32 * 1024};
constexpr EndpointAddress kEndpoints[] = {EndpointAddress(0x80),
                                          EndpointAddress(0x00),
                                          kBulkIn,
                                          kBulkOut,
                                          kInterruptIn,
                                          kInterruptOut,
                                          kIsoIn,
                                          kIsoOut,
                                          kMissing,
                                          kIsoInOfSetting1};
constexpr Status kOutcomes[] = {Status::Ok, Status::Stalled, Status::Cancelled, Status::Killed,
                                Status::ShortTransfer};

class Play {
 public:
  Play(const std::uint8_t* data, std::size_t size) : input_(data, size) {}

  void run() {
    sound_ = input_.byte() % 2 == 0;
    while (!input_.empty() && !peer_.server.finished()) {
      step();
      // IN payloads come in powers of two, hence the double; one transfer may be on its way in.
      PERIPROX_REQUIRE(peer_.device.payloads.bytes_in_use() <=
                       3 * kLimits.memory + 2 * kLimits.transfer);
    }
    finish();
  }

 private:
  void step() {
    switch (input_.byte() % 12) {
      case 0:
      case 1:
      case 2:
        sound_ ? submit() : raw();
        return;
      case 3:
        if (sound_) send(next_, cmd_unlink(next_, pick_seqnum()), true);
        return;
      case 4:
      case 5:
        complete();
        return;
      case 6:
        read(input_.word());
        return;
      case 7:
        now_ += std::chrono::seconds(input_.byte());
        peer_.server.woken(now_);
        return;
      case 8:
        peer_.device.model_to_change().set_interface(1, input_.byte() % 2);
        return;
      case 9:
        peer_.device.on_cancel = static_cast<FakeDevice::OnCancel>(input_.byte() % 3);
        peer_.device.real_result = pattern(input_.byte());
        return;
      case 10:
        peer_.device.out_of_memory = input_.byte() % 2 == 1;
        return;
      case 11:
        rare(input_.byte());
        return;
    }
  }
  void rare(std::uint8_t which) {
    if (which == 7) peer_.device.go_away();
    if (which == 8) peer_.server.close();
    if (which == 9) peer_.server.receive_ended(std::nullopt);
    if (which == 10) peer_.server.unplug();
  }
  void raw() {
    const auto length = input_.byte();
    const auto step = std::max<std::size_t>(input_.byte(), 1);
    peer_.send(input_.bytes(length), step);
  }
  std::uint32_t pick_seqnum() {
    return static_cast<std::uint32_t>(next_ - std::min<std::uint32_t>(input_.byte() % 32, next_));
  }
  void submit() {
    const auto endpoint = kEndpoints[input_.byte() % std::size(kEndpoints)];
    Submit cmd{
        .seqnum = next_, .endpoint = endpoint, .length = input_.word(), .flags = input_.byte()};
    const bool is_iso = endpoint == kIsoIn || endpoint == kIsoOut || endpoint == kIsoInOfSetting1;
    std::vector<usbip::IsoDescriptor> descriptors;
    if (is_iso) {
      cmd.packets = input_.byte();
      for (int i = 0; i < cmd.packets; ++i) {
        descriptors.push_back({std::uint32_t{input_.byte()} * static_cast<unsigned>(i),
                               std::uint32_t{input_.byte()}});
      }
    }
    if (endpoint.number() == 0) {
      const auto bytes = input_.bytes(sizeof(cmd.setup));
      cmd.setup = read_as<usb::SetupPacket>(bytes).value_or(usb::SetupPacket{});
      if (input_.byte() % 4 != 0) cmd.length = cmd.setup.wLength;
    }
    const auto data =
        endpoint.is_in() ? ByteVector{} : pattern(static_cast<std::size_t>(cmd.length));
    peer_.expect(cmd.seqnum, endpoint, static_cast<std::int32_t>(descriptors.size()));
    send(cmd.seqnum, cmd_submit(cmd, data, descriptors), false);
  }
  /// A command that the session does not take whole is the last: the rest of the stream is missing.
  void send(std::uint32_t seqnum, const ByteVector& bytes, bool is_unlink) {
    ++next_;
    if (cut_) return;
    if (is_unlink) targets_[seqnum] = read_as<usbip::CmdUnlink>(bytes)->unlink_seqnum;
    asked_[seqnum] = false;
    cut_ = peer_.send(bytes, std::max<std::size_t>(input_.word(), 1)) < bytes.size();
    if (cut_) last_ = seqnum;
  }
  void complete() {
    if (peer_.device.held.empty()) return;
    const auto index = input_.byte() % peer_.device.held.size();
    auto urb = peer_.device.take(index);
    const auto outcome = kOutcomes[input_.byte() % std::size(kOutcomes)];
    for (auto& packet : urb->iso_packets) packet.actual_length = input_.byte();
    if (input_.byte() % 8 == 0) {
      urb.complete(outcome, input_.word());
    } else if (urb->is_in()) {
      if (!urb->iso_packets.empty()) urb->payload = peer_.device.allocate(urb->length);
      complete_in(peer_.device, std::move(urb),
                  pattern(peer_.device.out_of_memory ? 0 : input_.word()), outcome);
    } else {
      const auto length = urb->length;
      urb.complete(outcome, length);
    }
  }
  void read(std::size_t limit) {
    const auto bytes = collect(peer_.server, limit);
    if (!sound_) return;
    for (const auto& reply : peer_.reader.read(bytes)) check(reply);
  }
  void check(const Reply& reply) {
    const auto asked = asked_.find(reply.seqnum);
    PERIPROX_REQUIRE(asked != asked_.end());
    PERIPROX_REQUIRE(!asked->second);  // Answered at most once.
    asked->second = true;
    if (reply.is_submit()) {
      std::uint64_t sum = 0;
      for (const auto& packet : reply.descriptors) sum += packet.actual_length;
      if (!reply.descriptors.empty())
        PERIPROX_REQUIRE(sum == static_cast<std::uint64_t>(reply.actual_length));
      return;
    }
    const auto target = asked_.find(targets_.at(reply.seqnum));
    if (target == asked_.end()) return;
    if (reply.status == -104) {
      // This is the target's answer: nothing else may follow, except that of another UNLINK.
      PERIPROX_REQUIRE(!target->second || unlinked_.contains(target->first));
      target->second = true;
      unlinked_[target->first] = true;
    } else if (!targets_.contains(target->first) && target->first < reply.seqnum) {
      PERIPROX_REQUIRE(target->second);  // Its RET_SUBMIT came first.
    }
  }
  void finish() {
    peer_.device.out_of_memory = false;
    for (int i = 0; i < 4; ++i) {
      while (!peer_.device.held.empty()) peer_.device.complete();
      read(kAnySize);
    }
    if (sound_ && !peer_.server.finished()) {
      PERIPROX_REQUIRE(!peer_.server.failure());
      for (const auto& [seqnum, answered] : asked_)
        PERIPROX_REQUIRE(answered || (cut_ && seqnum == last_));
    }
    peer_.device.on_cancel = FakeDevice::OnCancel::CompleteAtOnce;
    peer_.server.close();
    PERIPROX_REQUIRE(peer_.server.finished());
    PERIPROX_REQUIRE(peer_.server.pending() == 0);
    PERIPROX_REQUIRE(peer_.device.held.empty());
  }

  FuzzInput input_;
  ServerPeer peer_{kLimits};
  bool sound_ = false;
  bool cut_ = false;
  std::uint32_t last_ = 0;
  std::uint32_t next_ = 1;
  TimePoint now_{};
  std::map<std::uint32_t, bool> asked_;             // Whether it was answered.
  std::map<std::uint32_t, std::uint32_t> targets_;  // Of UNLINKs.
  std::map<std::uint32_t, bool> unlinked_;
};

/// The management phase, with any bytes.
void play_op(FuzzInput input) {
  FakeExports exports;
  FakeDevice device;
  exports.devices["1-1"] = &device;
  session::UsbipServer server(exports, "peer", {});
  while (!input.empty()) {
    const auto length = input.byte();
    feed(server, input.bytes(length), std::max<std::size_t>(input.byte(), 1));
  }
  (void)collect(server);
  server.close();
  PERIPROX_REQUIRE(server.finished());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0 && data[0] >= 0xf0) {
    play_op({data + 1, size - 1});
  } else {
    Play(data, size).run();
  }
  return 0;
}
