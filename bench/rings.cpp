#include "bench/rings.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "bench/null_device.hpp"
#include "bench/report.hpp"
#include "bench/sockets.hpp"
#include "periprox/link/memory_pump.hpp"
#include "periprox/link/shared_memory.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/session/ring_client.hpp"
#include "periprox/session/ring_server.hpp"

namespace periprox::bench {
namespace {

using Clock = std::chrono::steady_clock;
using wire::usbip::OpStatus;

/// Awake while there is traffic, also where other work holds the peer up; asleep while something
/// else is measured.
constexpr link::MemoryWaiting kAwake{.spin = std::chrono::milliseconds(1)};

/// Neither side runs while another way is measured: its heartbeat may stand still.
constexpr session::RingLimits kPatient{.silence = std::chrono::hours(1)};

class OneExport final : public session::Exports {
 public:
  explicit OneExport(usb::Device& device) : device_(device) {}
  std::vector<session::ListedDevice> list() override { return {}; }
  void claim(std::string_view /*busid*/, std::string_view /*peer*/,
             std::function<void(ClaimResult)> done) override {
    done(session::Lease(device_, {.path = "/bench", .busid = "1-1", .busnum = 1, .devnum = 2}, {}));
  }

 private:
  usb::Device& device_;
};

/// The exporter, on a thread of its own.
class RingServerThread {
 public:
  RingServerThread(session::RingMemory memory, UniqueFd channel)
      : thread_([this, memory = std::move(memory), channel = std::move(channel)]() mutable {
          const auto layout = wire::ring::plan_layout(memory.bytes.size()).value();
          link::MemoryPump pump(
              loop_, spinner_, std::move(channel),
              std::make_unique<session::RingServer>(memory, layout, exports_, "bench", loop_.now(),
                                                    false, kPatient),
              kAwake, [](MemoryProtocol&) {});
          loop_.run();
        }) {}
  ~RingServerThread() {
    loop_.post([this] { loop_.stop(); });
    thread_.join();
  }

 private:
  Loop loop_;
  link::Spinner spinner_{loop_};
  NullDevice device_{true};
  OneExport exports_{device_};
  std::thread thread_;
};

void run_loop_for(Loop& loop, Duration how_long) {
  bool is_over = false;
  loop.call_at(loop.now() + how_long, [&is_over] { is_over = true; });
  loop.run_until([&is_over] { return is_over; });
}

}  // namespace

struct RingPath::Impl {
  Impl() {
    const auto size = wire::ring::memory_for(std::uint64_t{128} << 20, wire::ring::kDefaultEntries);
    auto shared = link::create_shared_memory(size).value().first;
    const session::RingMemory memory{shared.bytes, shared.keep};
    auto [ours, theirs] = connected_pair(SocketKind::Unix);
    auto client = std::make_unique<session::RingClient>(memory, 1, loop.now(), kPatient);
    traffic.add(*client);
    bool ready = false;
    client->import("1-1", [&ready](const Result<void>& result) {
      if (!result) {
        std::fprintf(stderr, "%s\n", result.error().text().c_str());
        std::exit(1);
      }
      ready = true;
    });
    server = std::make_unique<RingServerThread>(memory, std::move(theirs));
    pump = std::make_unique<link::MemoryPump>(loop, spinner, std::move(ours), std::move(client),
                                              kAwake, [](MemoryProtocol&) {});
    loop.run_until([&ready] { return ready; });
  }

  Loop loop;
  link::Spinner spinner{loop};
  Traffic traffic{loop};
  std::unique_ptr<RingServerThread> server;
  std::unique_ptr<link::MemoryPump> pump;
};

RingPath::RingPath() : impl_(std::make_unique<Impl>()) {}
RingPath::~RingPath() = default;

double RingPath::run(const UrbShape& shape, std::size_t count, std::size_t in_flight) {
  return impl_->traffic.run(shape, count, in_flight);
}

const std::vector<double>& RingPath::latencies() const { return impl_->traffic.latencies(); }

double RingPath::idle_cpu(std::chrono::seconds how_long) {
  // What went before is over: both sides have fallen asleep.
  run_loop_for(impl_->loop, std::chrono::milliseconds(200));
  const double before = cpu_seconds();
  run_loop_for(impl_->loop, how_long);
  return cpu_seconds() - before;
}

// ---- The bare ring
// ----------------------------------------------------------------------------------

namespace {

constexpr std::uint32_t kPlaces = 1024;

struct alignas(128) Index {
  std::atomic<std::uint32_t> value{0};

  /// Spins until the value is another one. Gives the processor away when that takes so long that
  /// the other side cannot have one.
  void await_change(std::uint32_t known) const {
    constexpr int kLong = 100'000;
    for (int looks = 0; value.load(std::memory_order_acquire) == known;) {
      if (++looks > kLong) std::this_thread::yield();
    }
  }
};
struct Entry {
  std::array<std::uint64_t, 16> words{};
};
struct Ring {
  Index tail;
  Index head;
  std::array<Entry, kPlaces> entries;
};

}  // namespace

BareRing bare_ring(bool is_in, std::size_t size, std::size_t count, std::size_t in_flight) {
  auto there = std::make_unique<Ring>();
  auto back = std::make_unique<Ring>();
  auto arena = link::create_shared_memory(in_flight * size + 4096).value().first;
  std::vector<std::byte> own(size);
  std::thread server([&] {
    for (std::uint32_t head = 0; head < count;) {
      there->tail.await_change(head);
      const Entry entry = there->entries[head % kPlaces];
      auto* const piece = arena.bytes.data() + entry.words[0];
      if (is_in) {
        std::memcpy(piece, own.data(), size);
      } else {
        std::memcpy(own.data(), piece, size);
      }
      back->entries[head % kPlaces] = entry;
      there->head.value.store(++head, std::memory_order_release);
      back->tail.value.store(head, std::memory_order_release);
    }
  });

  BareRing result;
  const auto start = Clock::now();
  std::uint32_t sent = 0;
  auto sent_at = start;
  const auto send = [&] {
    there->entries[sent % kPlaces].words[0] = sent % in_flight * size;
    if (in_flight == 1) sent_at = Clock::now();
    there->tail.value.store(++sent, std::memory_order_release);
  };
  while (sent < std::min(in_flight, count)) send();
  for (std::uint32_t done = 0; done < count;) {
    back->tail.await_change(done);
    if (in_flight == 1) {
      result.latencies.push_back(
          std::chrono::duration<double, std::micro>(Clock::now() - sent_at).count());
    }
    ++done;
    if (sent < count) send();
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  server.join();
  std::ranges::sort(result.latencies);
  return result;
}

}  // namespace periprox::bench
