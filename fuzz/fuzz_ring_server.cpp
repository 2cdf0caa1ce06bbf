// A ring server session whose shared memory is written as the input says: entries that are nearly
// sound, and anything anywhere.
#include <cstdint>
#include <cstring>

#include "fuzz_input.hpp"
#include "periprox/session/ring_testing.hpp"
#include "require.hpp"

namespace {

using namespace periprox;                    // NOLINT(google-build-using-namespace)
using namespace periprox::session::testing;  // NOLINT(google-build-using-namespace)

constexpr usb::EndpointAddress kEndpoints[] = {usb::EndpointAddress(0x80),
                                               kControl,
                                               kBulkIn,
                                               kBulkOut,
                                               kInterruptIn,
                                               kIsoIn,
                                               kIsoOut,
                                               kMissing};

class Play {
 public:
  Play(const std::uint8_t* data, std::size_t size) : input_(data, size) {}

  void run() {
    if (input_.byte() % 4 == 0) {
      peer_.join();
    } else {
      peer_.open();
    }
    while (!input_.empty() && peer_.alive()) step();
    peer_.server.close();
    while (!peer_.device.held.empty()) peer_.device.complete_cancelled();
    PERIPROX_REQUIRE(peer_.server.pending() == 0);
    PERIPROX_REQUIRE(peer_.server.finished());
  }

 private:
  void step() {
    switch (input_.byte() % 8) {
      case 0:
      case 1:
        return submit();
      case 2:
        return put_raw();
      case 3:
        return scribble();
      case 4:
        return complete();
      case 5:
        if (peer_.port.has_room()) peer_.cancel(input_.byte() % 80);
        return;
      case 6:
        (void)peer_.take();
        return;
      case 7:
        peer_.now += std::chrono::milliseconds(input_.word() % 8000);
        peer_.settle();
        return;
    }
  }
  void submit() {
    if (!peer_.port.has_room()) return;
    const auto tag = static_cast<std::uint32_t>(input_.byte() % 66);
    const auto endpoint = kEndpoints[input_.byte() % std::size(kEndpoints)];
    const auto length = static_cast<std::uint32_t>(input_.word());
    auto entry =
        RingServerPeer::submit_entry(tag, endpoint, length, std::uint64_t{input_.word()} << 4);
    entry.packets = input_.byte() % 8U;
    entry.packet_table = std::uint64_t{input_.word()} << 4;
    entry.setup = read_as<usb::SetupPacket>(input_.bytes(sizeof(usb::SetupPacket)))
                      .value_or(usb::SetupPacket{});
    peer_.put(entry);
  }
  void put_raw() {
    if (!peer_.port.has_room()) return;
    ring::Entry entry;
    const auto bytes = input_.bytes(sizeof(entry));
    if (!bytes.empty()) std::memcpy(&entry, bytes.data(), bytes.size());
    if ((std::uint16_t{entry.kind} & 0x100) != 0) entry.kind = entry.kind % 6;
    peer_.put(entry);
  }
  /// Mostly the control block and the rings, sometimes the arena.
  void scribble() {
    const auto memory = peer_.memory.bytes;
    const auto where = input_.byte();
    std::size_t offset = where < 128 ? where * std::size_t{8} : input_.word();
    if (where >= 240) offset = static_cast<std::uint32_t>(input_.number()) % memory.size();
    const auto bytes = input_.bytes(std::min<std::size_t>(input_.byte(), memory.size() - offset));
    if (!bytes.empty()) std::memcpy(memory.data() + offset, bytes.data(), bytes.size());
    peer_.settle();
  }
  void complete() {
    auto& held = peer_.device.held;
    if (held.empty()) return;
    auto urb = peer_.device.take(input_.byte() % held.size());
    const auto lie = input_.byte();
    if ((lie & 1) != 0) urb->payload = peer_.device.allocate(urb->length);
    for (auto& packet : urb->iso_packets) packet.actual_length = input_.byte() * std::uint32_t{9};
    const auto actual = (lie & 2) != 0 ? input_.word() : urb->length;
    if (urb->is_in() && urb->payload && (lie & 1) == 0) {
      std::memset(urb->payload.data(), 0x5a, urb->length);
    }
    urb.complete(static_cast<usb::Status>(lie >> 4), actual);
    peer_.settle();
  }

  FuzzInput input_;
  RingServerPeer peer_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Play(data, size).run();
  return 0;
}
