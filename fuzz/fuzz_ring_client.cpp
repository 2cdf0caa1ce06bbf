// A ring client session whose exporter does as the input says: it lets the client import soundly,
// then lies, and writes anything anywhere.
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

#include "fuzz_input.hpp"
#include "periprox/session/ring_testing.hpp"
#include "require.hpp"

namespace {

using namespace periprox;                    // NOLINT(google-build-using-namespace)
using namespace periprox::session::testing;  // NOLINT(google-build-using-namespace)
using usb::TransferType;

struct Kind {
  usb::EndpointAddress endpoint;
  TransferType type;
};
constexpr Kind kKinds[] = {{usb::EndpointAddress(0x80), TransferType::Control},
                           {kBulkIn, TransferType::Bulk},
                           {kBulkOut, TransferType::Bulk},
                           {kInterruptIn, TransferType::Interrupt},
                           {kIsoIn, TransferType::Isochronous},
                           {kIsoOut, TransferType::Isochronous}};

class Play final : private usb::CompletionSink {
 public:
  Play(const std::uint8_t* data, std::size_t size) : input_(data, size) {}

  void run() {
    if (input_.byte() % 8 == 0) {
      play_import();
    } else {
      peer_.open();
    }
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
    std::size_t packets = 0;
  };

  void play_import() {
    peer_.client.import("1-1", [](Result<void>) {});
    scribble();
    peer_.accept();
    scribble();
  }
  void step() {
    switch (input_.byte() % 8) {
      case 0:
      case 1:
        return submit();
      case 2:
        return cancel();
      case 3:
        return scribble();
      case 4:
      case 5:
        return answer();
      case 6:
        return put_raw();
      case 7:
        peer_.now += std::chrono::milliseconds(input_.word() % 8000);
        peer_.settle();
        return;
    }
  }
  void submit() {
    const auto& kind = kKinds[input_.byte() % std::size(kKinds)];
    auto urb = usb::Urb::create();
    urb->endpoint = kind.endpoint;
    urb->type = kind.type;
    urb->length = std::uint32_t{input_.word()} * (input_.byte() % 4U);
    if (kind.type == TransferType::Isochronous) {
      std::uint32_t offset = 0;
      for (int i = input_.byte() % 16; i > 0; --i) {
        const std::uint32_t length = input_.byte();
        urb->iso_packets.push_back({offset, length});
        offset += length + 3;
      }
      urb->length = offset;
    }
    if (kind.type == TransferType::Control) {
      urb->setup = read_as<usb::SetupPacket>(input_.bytes(sizeof(usb::SetupPacket)))
                       .value_or(usb::SetupPacket{});
    }
    if (!kind.endpoint.is_in() || input_.byte() % 2 == 0) {
      urb->payload = peer_.client.allocate(urb->length);
    }
    if (!kind.endpoint.is_in() && urb->payload) std::memset(urb->payload.data(), 0x5a, urb->length);
    const std::uint64_t id = ++submitted_;
    sent_[id] = {urb.handle(), urb->length, urb->iso_packets.size()};
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
  /// Remembers what the client put, to be answered.
  void look() {
    for (const auto& entry : peer_.take()) {
      if (ring::kind_of(entry) == ring::Kind::Submit) submits_.push_back(entry);
    }
  }
  void answer() {
    look();
    if (submits_.empty() || !peer_.port.has_room()) return;
    const auto chosen = input_.byte() % submits_.size();
    const auto entry = submits_[chosen];
    const auto lie = input_.byte();
    if ((lie & 1) == 0) submits_.erase(submits_.begin() + static_cast<std::ptrdiff_t>(chosen));
    std::uint32_t actual = (lie & 2) != 0 ? input_.word() : std::uint32_t{entry.length};
    for (std::uint32_t i = 0; i < entry.packets; ++i) {
      const auto place = peer_.arena(entry.packet_table + i * sizeof(ring::Packet), 16);
      auto packet = *read_as<ring::Packet>(place);
      packet.actual_length = input_.byte();
      if (i == 0) actual = 0;
      actual += packet.actual_length;
      std::memcpy(place.data(), &packet, sizeof(packet));
    }
    peer_.complete(entry, actual, static_cast<usb::Status>(lie >> 4));
    look();
  }
  void put_raw() {
    if (!peer_.port.has_room()) return;
    ring::Entry entry;
    const auto bytes = input_.bytes(sizeof(entry));
    if (!bytes.empty()) std::memcpy(&entry, bytes.data(), bytes.size());
    peer_.put(entry);
  }
  void scribble() {
    const auto memory = peer_.memory.bytes;
    const auto where = input_.byte();
    std::size_t offset = where < 128 ? where * std::size_t{8} : input_.word();
    if (where >= 240) offset = static_cast<std::uint32_t>(input_.number()) % memory.size();
    const auto bytes = input_.bytes(std::min<std::size_t>(input_.byte(), memory.size() - offset));
    if (!bytes.empty()) std::memcpy(memory.data() + offset, bytes.data(), bytes.size());
    peer_.settle();
  }
  void on_completed(usb::Urb urb, std::uint64_t id) override {
    const auto found = sent_.find(id);
    PERIPROX_REQUIRE(found != sent_.end());  // Exactly once.
    ++completed_;
    PERIPROX_REQUIRE(urb->actual_length <= found->second.length);
    if (urb->is_in() && urb->actual_length > 0) {
      PERIPROX_REQUIRE(urb->payload.capacity() >= urb->actual_length);
    }
    PERIPROX_REQUIRE(urb->iso_packets.size() == found->second.packets);
    for (const auto& packet : urb->iso_packets) {
      if (urb->is_in()) PERIPROX_REQUIRE(packet.actual_length <= packet.length);
    }
    sent_.erase(found);
  }

  FuzzInput input_;
  std::uint64_t submitted_ = 0;
  std::uint64_t completed_ = 0;
  std::map<std::uint64_t, Sent> sent_;
  std::vector<ring::Entry> submits_;
  RingClientPeer peer_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Play(data, size).run();
  return 0;
}
