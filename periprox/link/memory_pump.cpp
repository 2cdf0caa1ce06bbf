// How it works: a pump is awake (the spinner looks at it in every round) or asleep. Whatever
// happens to a sleeping one, a doorbell, a timer, a wish of its protocol, it is looked at once; if
// something moved, or the protocol itself asked, it is awake again.
//
// A slice of spinning ends after a few microseconds, so that sockets and timers of the same loop
// have their turn.
#include "periprox/link/memory_pump.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "periprox/link/spin_budget.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::link {
namespace {

/// How long sockets and timers may wait for a spinning thread.
constexpr auto kSlice = std::chrono::microseconds(20);

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

namespace detail {

// Shared with what was posted to the loop: the last of it may run after the pump is gone.
struct MemoryPumpImpl final : Waker, std::enable_shared_from_this<MemoryPumpImpl> {
  MemoryPumpImpl(Loop& the_loop, Spinner& the_spinner, UniqueFd fd,
                 std::unique_ptr<MemoryProtocol> the_protocol, MemoryWaiting how,
                 MemoryPump::Ended the_ended)
      : loop(the_loop),
        spinner(the_spinner),
        channel(std::move(fd)),
        has_channel(static_cast<bool>(channel)),
        protocol(std::move(the_protocol)),
        waiting(how),
        budget(how.spin),
        ended(std::move(the_ended)) {}

  void start() {
    protocol->set_waker(this);
    if (has_channel) {
      watch.emplace(loop, channel.get(), [this](Ready) { read_channel(); });
      watch->want({.read = true});
    }
    wake();  // Nobody's callback is called from within a constructor.
  }

  void wake() override {
    if (std::exchange(wake_posted, true)) return;
    loop.post([self = shared_from_this()] {
      self->wake_posted = false;
      if (self->dead) return;
      self->look(self->loop.now());
      self->stay_awake();
    });
  }

  /// One look at the memory; true when something moved.
  bool look(TimePoint now) {
    const bool moved = protocol->poll(now);
    if (protocol->must_ring_doorbell()) ring_doorbell();
    if (moved) last_moved = now;
    if (protocol->finished()) finish();
    return moved;
  }

  void stay_awake() {
    if (dead) return;
    last_moved = loop.now();
    if (std::exchange(awake, true)) return;
    protocol->wake_up();
    pause = {};
    if (armed) loop.cancel(timer);
    armed.reset();
    spinner.add(shared_from_this());
  }

  /// Called by the spinner after a look: false when the pump sleeps from now on.
  bool goes_on_spinning(TimePoint now) {
    if (dead) return false;
    if (now - last_moved < budget.now()) return true;
    if (has_channel && !protocol->may_fall_asleep()) return true;
    awake = false;
    sleep(now);
    return false;
  }

  void sleep(TimePoint now) {
    auto until = protocol->wake_at();
    if (!has_channel) {
      pause = std::clamp(pause * 2, waiting.first_pause, waiting.longest_pause);
      until = until ? std::min(*until, now + pause) : now + pause;
    }
    if (until == armed) return;
    if (armed) loop.cancel(timer);
    armed = until;
    if (!until) return;
    timer = loop.call_at(*until, [self = weak_from_this()] {
      const auto pump = self.lock();
      if (!pump || pump->dead) return;
      pump->armed.reset();
      pump->look_from_sleep();
    });
  }

  void look_from_sleep() {
    if (dead || awake) return;
    const auto now = loop.now();
    if (look(now)) {
      stay_awake();
    } else if (!dead) {
      sleep(now);
    }
  }

  // ---- The channel

  void ring_doorbell() {
    if (!has_channel || dead) return;
    // Full means that enough bytes wait there already. MSG_DONTWAIT: not even a hostile peer can
    // make this wait.
    const char doorbell = 0;
    (void)::send(channel.get(), &doorbell, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  void read_channel() {
    const auto keep = shared_from_this();
    if (dead) return;
    std::array<char, 256> bytes;
    const auto got = ::recv(channel.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0) {
      hung_up(std::nullopt);
    } else if (got < 0 && errno != EAGAIN && errno != EINTR) {
      hung_up(errno_error(errno, "the connection broke"));
    } else {
      const auto now = loop.now();
      // Looking by the clock finds what it finds late; only a doorbell says when it came.
      if (!awake) budget.woken_after(now - last_moved);
      look(now);
      stay_awake();
    }
  }

  void hung_up(std::optional<Error> error) {
    watch.reset();
    protocol->peer_gone(std::move(error));
    look(loop.now());
  }

  // ---- The end

  void finish() {
    if (std::exchange(dead, true)) return;
    if (armed) loop.cancel(timer);
    // Not from within a look: the spinner is at it.
    loop.post([self = shared_from_this()] {
      self->close_channel();
      if (const auto call = std::exchange(self->ended, {})) call(*self->protocol);
    });
  }

  void close_channel() {
    watch.reset();
    channel.reset();
  }

  Loop& loop;
  Spinner& spinner;
  UniqueFd channel;
  bool has_channel;
  std::optional<Watch> watch;
  std::unique_ptr<MemoryProtocol> protocol;
  MemoryWaiting waiting;
  SpinBudget budget;
  MemoryPump::Ended ended;
  TimerId timer{};
  std::optional<TimePoint> armed;
  TimePoint last_moved{};
  Duration pause{};
  bool wake_posted = false;
  bool awake = false;
  bool dead = false;
};

}  // namespace detail

// ---- Spinner
// ----------------------------------------------------------------------------------------

Spinner::~Spinner() { *self_ = nullptr; }

void Spinner::add(std::shared_ptr<detail::MemoryPumpImpl> pump) {
  awake_.push_back(std::move(pump));
  post_slice();
}

void Spinner::post_slice() {
  if (awake_.empty() || std::exchange(posted_, true)) return;
  loop_.post([self = self_] {
    if (*self == nullptr) return;
    (*self)->posted_ = false;
    (*self)->slice();
  });
}

void Spinner::slice() {
  auto now = loop_.now();
  const auto end = now + kSlice;
  while (!awake_.empty() && now < end) {
    for (std::size_t i = 0; i < awake_.size();) {
      const auto pump = awake_[i];
      const bool moved = !pump->dead && pump->look(now);
      if (moved || pump->goes_on_spinning(now)) {
        ++i;
      } else {
        awake_.erase(awake_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    relax();
    now = loop_.now();
  }
  post_slice();
}

// ---- MemoryPump
// -------------------------------------------------------------------------------------

MemoryPump::MemoryPump(Loop& loop, Spinner& spinner, UniqueFd channel,
                       std::unique_ptr<MemoryProtocol> protocol, MemoryWaiting waiting, Ended ended)
    : impl_(std::make_shared<detail::MemoryPumpImpl>(
          loop, spinner, std::move(channel), std::move(protocol), waiting, std::move(ended))) {
  impl_->start();
}

MemoryPump::~MemoryPump() {
  if (!std::exchange(impl_->dead, true) && impl_->armed) impl_->loop.cancel(impl_->timer);
  impl_->ended = {};
  impl_->close_channel();
  impl_->protocol->set_waker(nullptr);
  impl_->protocol.reset();
}

MemoryProtocol& MemoryPump::protocol() const { return *impl_->protocol; }

void MemoryPump::close() {
  impl_->protocol->close();
  impl_->wake();
}

Result<void> pin_thread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu < 0 || cpu >= CPU_SETSIZE) {
    return fail(Error::Kind::Usage, "cannot run on CPU " + std::to_string(cpu),
                "there is no such number");
  }
  CPU_SET(cpu, &set);
  if (::sched_setaffinity(0, sizeof(set), &set) != 0) {
    return tl::make_unexpected(
        errno_error(errno, "cannot run on CPU " + std::to_string(cpu), "`nproc` shows how many"));
  }
  return {};
}

}  // namespace periprox::link
