// A USB/IP client session against a server that does as the input says: it imports soundly, then
// lies.
#include <cstdint>
#include <map>

#include "fuzz_input.hpp"
#include "periprox/session/client_testing.hpp"
#include "require.hpp"

namespace {

using namespace periprox;                    // NOLINT(google-build-using-namespace)
using namespace periprox::session::testing;  // NOLINT(google-build-using-namespace)
using usb::EndpointAddress;
using usb::TransferType;

struct Kind {
  EndpointAddress endpoint;
  TransferType type;
};
constexpr Kind kKinds[] = {{EndpointAddress(0x80), TransferType::Control},
                           {kBulkIn, TransferType::Bulk},
                           {kBulkOut, TransferType::Bulk},
                           {kInterruptIn, TransferType::Interrupt},
                           {kIsoIn, TransferType::Isochronous},
                           {kIsoOut, TransferType::Isochronous}};

class Play final : private usb::CompletionSink {
 public:
  Play(const std::uint8_t* data, std::size_t size) : input_(data, size) {}

  void run() {
    peer_.open();
    while (!input_.empty() && peer_.alive()) step();
    peer_.client.close();
    PERIPROX_REQUIRE(peer_.client.pending() == 0);
    PERIPROX_REQUIRE(peer_.gone == 1);
    PERIPROX_REQUIRE(completed_ == submitted_);
  }

 private:
  struct Sent {
    usb::UrbHandle handle;
    std::uint32_t length = 0;
    std::vector<usb::IsoPacket> packets;
  };

  void step() {
    switch (input_.byte() % 8) {
      case 0:
      case 1:
        submit();
        return;
      case 2:
        cancel();
        return;
      case 3:
        peer_.send(input_.bytes(input_.byte()), std::max<std::size_t>(input_.byte(), 1));
        return;
      case 4:
      case 5:
        answer();
        return;
      case 6:
        peer_.send(ret_unlink(pick(unlinks_), input_.byte() % 2 == 0 ? -104 : input_.number()));
        return;
      case 7:
        now_ += std::chrono::seconds(input_.byte() % 8);
        peer_.client.woken(now_);
        return;
    }
  }
  void submit() {
    const auto& kind = kKinds[input_.byte() % std::size(kKinds)];
    auto urb = usb::Urb::create();
    urb->endpoint = kind.endpoint;
    urb->type = kind.type;
    urb->length = input_.word() % 5000;
    if (kind.type == TransferType::Isochronous) {
      std::uint32_t offset = 0;
      for (int i = input_.byte() % 16; i > 0; --i) {
        const std::uint32_t gap = input_.byte();
        const std::uint32_t length = input_.byte();
        urb->iso_packets.push_back({offset + gap, length});
        offset += gap + length;
      }
      if (input_.byte() % 8 != 0) urb->length = offset;
    }
    if (kind.type == TransferType::Control) {
      urb->setup = read_as<usb::SetupPacket>(input_.bytes(sizeof(usb::SetupPacket)))
                       .value_or(usb::SetupPacket{});
    }
    if (!kind.endpoint.is_in() || input_.byte() % 2 == 0)
      urb->payload = peer_.client.allocate(urb->length);
    if (!kind.endpoint.is_in() && urb->payload) std::memset(urb->payload.data(), 0x5a, urb->length);
    const std::uint64_t id = ++submitted_;
    sent_[id] = {urb.handle(), urb->length, urb->iso_packets};
    urb.push_sink(*this, id);
    peer_.client.submit(std::move(urb));
    look();
  }
  void cancel() {
    if (sent_.empty()) return;
    auto chosen = sent_.begin();
    std::advance(chosen, input_.byte() % sent_.size());
    peer_.client.cancel(chosen->second.handle);
    look();
  }
  /// Remembers the seqnums that the client gave, to be answered.
  void look() {
    for (const auto& cmd : peer_.commands()) {
      (cmd.command == usbip::Command::CmdSubmit ? submits_ : unlinks_).push_back(cmd);
    }
  }
  std::uint32_t pick(const std::vector<Cmd>& commands) {
    if (commands.empty()) return 0;
    return commands[input_.byte() % commands.size()].seqnum();
  }
  void answer() {
    if (submits_.empty()) return;
    const auto& cmd = submits_[input_.byte() % submits_.size()];
    const auto lie = input_.byte();
    auto descriptors = cmd.descriptors;
    std::int32_t actual = input_.word() % 5000;
    if ((lie & 1) == 0) actual = std::min(actual, std::int32_t{cmd.header.transfer_buffer_length});
    if (!descriptors.empty()) actual = 0;
    for (auto& descriptor : descriptors) {
      descriptor.actual_length = std::min<std::uint32_t>(
          input_.byte(), (lie & 2) == 0 ? std::uint32_t{descriptor.length} : 255U);
      if ((lie & 4) != 0) descriptor.offset = static_cast<std::uint32_t>(input_.number());
      actual += static_cast<std::int32_t>(std::uint32_t{descriptor.actual_length});
    }
    if ((lie & 0xc0) == 0xc0) actual = input_.number();
    const auto packets =
        (lie & 0x30) == 0x30 ? input_.number() : static_cast<std::int32_t>(descriptors.size());
    const bool has_data = cmd.header.basic.direction == 1 && actual > 0;
    const auto reply = ret_submit(
        {.seqnum = cmd.seqnum(),
         .status = (lie & 8) != 0 ? input_.number() : 0,
         .actual_length = actual,
         .packets = packets},
        has_data ? pattern(static_cast<std::size_t>(actual & 0xffff)) : ByteVector{}, descriptors);
    peer_.send(reply, std::max<std::size_t>(input_.word(), 1));
  }
  void on_completed(usb::Urb urb, std::uint64_t id) override {
    const auto found = sent_.find(id);
    PERIPROX_REQUIRE(found != sent_.end());  // Exactly once.
    ++completed_;
    PERIPROX_REQUIRE(urb->actual_length <= found->second.length);
    if (urb->is_in() && urb->actual_length > 0)
      PERIPROX_REQUIRE(urb->payload.capacity() >= urb->actual_length);
    PERIPROX_REQUIRE(urb->iso_packets.size() == found->second.packets.size());
    for (std::size_t i = 0; i < urb->iso_packets.size() && urb->is_in(); ++i) {
      const auto& packet = urb->iso_packets[i];
      PERIPROX_REQUIRE(packet.offset == found->second.packets[i].offset);
      PERIPROX_REQUIRE(packet.length == found->second.packets[i].length);
      PERIPROX_REQUIRE(packet.actual_length <= packet.length);
    }
    sent_.erase(found);
  }

  FuzzInput input_;
  std::uint64_t submitted_ = 0;
  std::uint64_t completed_ = 0;
  std::map<std::uint64_t, Sent> sent_;
  std::vector<Cmd> submits_;
  std::vector<Cmd> unlinks_;
  TimePoint now_ = kClientStart;
  ClientPeer peer_;
};

/// The import, with any bytes.
void play_import(FuzzInput input) {
  ClientPeer peer;
  while (!input.empty()) {
    const auto length = input.byte();
    peer.send(input.bytes(length), std::max<std::size_t>(input.byte(), 1));
  }
  (void)collect(peer.client);
  peer.client.close();
  PERIPROX_REQUIRE(peer.ready.has_value());
  PERIPROX_REQUIRE(peer.client.pending() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0 && data[0] >= 0xf0) {
    play_import({data + 1, size - 1});
  } else {
    Play(data, size).run();
  }
  return 0;
}
