// A turn of the loop: wait, then what was posted, then the timers that are due, then the
// descriptors that are ready. What is asked for during a turn belongs to the next one, so that
// nothing can starve the rest.
//
// One timerfd serves all timed calls: it is set for the earliest, and left alone when that is
// cancelled. The calls wait in an ordered map,
// so that thousands of endpoints at 1 kHz cost a map operation each, not a kernel timer. (The
// timeout of epoll_wait is late by the thread's timer slack, 50 us, which an endpoint of 8 kHz
// would feel.)
#include "periprox/loop/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "periprox/base/unique_fd.hpp"

namespace periprox {
namespace {

constexpr std::uint32_t kHangup = EPOLLHUP | EPOLLERR;

std::uint32_t events_of(Ready ready) {
  return (ready.read ? std::uint32_t{EPOLLIN} : 0) | (ready.write ? std::uint32_t{EPOLLOUT} : 0);
}

UniqueFd must_have(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return UniqueFd(fd);
}

itimerspec after(Duration wait) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
  itimerspec spec{};
  spec.it_value.tv_sec = seconds.count();
  spec.it_value.tv_nsec = (wait - seconds).count();
  return spec;
}

}  // namespace

struct Watch::Record {
  int fd = -1;
  Handler handler;
  Ready wanted;
  std::uint32_t registered = 0;  // Events; with `known`, so that a hang-up is heard of.
  bool known = false;            // To epoll.
  bool unwatchable = false;
  bool queued = false;  // Among the unwatchable ones that are to be called.
  bool dead = false;
};

struct Loop::Impl {
  using Key = std::pair<TimePoint, std::uint64_t>;

  // ---- Descriptors

  void control(int operation, int fd, std::uint32_t events, void* record) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = record;
    if (::epoll_ctl(epoll.get(), operation, fd, &event) != 0) {
      throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
  }

  void add(Watch::Record& record) const {
    epoll_event event{};
    event.events = record.registered = events_of(record.wanted);
    event.data.ptr = &record;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, record.fd, &event) == 0) {
      record.known = true;
    } else if (errno == EPERM) {
      record.unwatchable = true;
    } else {
      throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
  }

  void forget(Watch::Record& record) const {
    if (!std::exchange(record.known, false)) return;
    // Fails when the descriptor was closed before, which unregistered it.
    (void)::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, record.fd, nullptr);
  }

  void want(Watch::Record& record, Ready ready) {
    wanting -= record.wanted.any() ? 1 : 0;
    wanting += ready.any() ? 1 : 0;
    record.wanted = ready;
    if (!ready.any()) return;
    if (!record.known && !record.unwatchable) add(record);
    const auto events = events_of(ready);
    if (record.unwatchable) {
      queue(record);
    } else if ((events & ~record.registered) != 0) {
      register_for(record, events);
    }
  }

  void register_for(Watch::Record& record, std::uint32_t events) const {
    record.registered = events;
    control(EPOLL_CTL_MOD, record.fd, events, &record);
  }

  void on_event(Watch::Record& record, std::uint32_t events) {
    if (record.dead) return;
    const bool hangup = (events & kHangup) != 0;
    const Ready ready{.read = record.wanted.read && (hangup || (events & EPOLLIN) != 0),
                      .write = record.wanted.write && (hangup || (events & EPOLLOUT) != 0),
                      .hangup = record.wanted.hangup && hangup};
    if (!ready.any()) {
      // Registered for more than is wanted now. A hang-up cannot be left out of a registration.
      if (hangup) {
        forget(record);
      } else {
        register_for(record, events_of(record.wanted));
      }
      return;
    }
    call(record, ready);
  }

  void call(Watch::Record& record, Ready ready) {
    ++handlers;
    record.handler(ready);
    --handlers;
  }

  void queue(Watch::Record& record) {
    if (!std::exchange(record.queued, true)) unwatchable_later.push_back(&record);
  }

  bool serve_unwatchable() {
    if (unwatchable.empty()) return false;
    Watch::Record& record = *unwatchable.back();
    unwatchable.pop_back();
    record.queued = false;
    if (record.dead || !record.wanted.any()) return true;
    call(record, {.read = record.wanted.read, .write = record.wanted.write, .hangup = false});
    if (!record.dead && record.wanted.any()) queue(record);
    return true;
  }

  void bury_dead() {
    // A handler that runs this turn from within may be one of them.
    if (handlers > 0 || dead.empty()) return;
    std::erase_if(unwatchable_later, [](const auto* record) { return record->dead; });
    // What they own may add to them.
    const auto gone = std::exchange(dead, {});
  }

  // ---- Timers

  /// Sees to it that the timer fires when the first call is due, or before: then it is set anew.
  /// False when that call is due already.
  bool arm() {
    if (calls.empty()) return true;
    const TimePoint first = calls.begin()->first.first;
    if (first >= armed) return true;
    const TimePoint time = Clock::now();
    if (first <= time) return false;
    armed = first;
    const auto spec = after(first - time);
    ::timerfd_settime(timer.get(), 0, &spec, nullptr);
    return true;
  }

  bool make_due_call() {
    if (calls.empty()) return false;
    auto next = calls.begin();
    while (next != calls.end() && next->first.first <= turn_began) {
      if (next->first.second > last_before_turn) {
        ++next;
        continue;
      }
      auto call = calls.extract(next);
      due.erase(call.key().second);
      call.mapped()();
      return true;
    }
    return false;
  }

  // ---- Turns

  /// Does one thing; false when there is nothing left to do, or nothing to do now and `may_wait` is
  /// false.
  bool do_one(bool may_wait) {
    for (;;) {
      if (stopped) return false;
      if (!work.empty()) {
        const auto next = std::move(work.front());
        work.pop_front();
        next();
        return true;
      }
      if (make_due_call()) return true;
      if (next_event < arrived_count) {
        const auto& event = arrived[next_event++];
        if (event.data.ptr == nullptr) continue;  // The timer, or the doorbell: the turn knows.
        on_event(*static_cast<Watch::Record*>(event.data.ptr), event.events);
        return true;
      }
      if (serve_unwatchable()) return true;
      if (!begin_turn(may_wait)) return false;
    }
  }

  /// False when nothing is left to do or, without waiting, nothing is there.
  bool begin_turn(bool may_wait) {
    bury_dead();
    unwatchable.swap(unwatchable_later);
    bool waits = arm() && unwatchable.empty() && may_wait;
    asleep = waits;  // Who posts, stops or lets go from now on rings; who did before is seen here.
    const bool is_held = holds > 0;  // First: who held has posted by then.
    take_posted();
    waits = waits && work.empty() && !stopped;
    if (work.empty() && unwatchable.empty() && calls.empty() && wanting == 0 && !is_held) {
      asleep = false;
      return false;
    }
    const int got =
        ::epoll_wait(epoll.get(), arrived.data(), static_cast<int>(arrived.size()), waits ? -1 : 0);
    next_event = 0;
    arrived_count = got > 0 ? static_cast<std::size_t>(got) : 0;
    asleep = false;
    if (work.empty()) take_posted();
    last_before_turn = last_id;
    if (!calls.empty() || armed != TimePoint::max()) {
      turn_began = Clock::now();
      if (armed <= turn_began) armed = TimePoint::max();
    }
    const bool is_due = !calls.empty() && calls.begin()->first.first <= turn_began;
    return may_wait || !work.empty() || arrived_count > 0 || is_due || !unwatchable.empty();
  }

  void ring() const {
    const std::uint64_t one = 1;
    (void)!::write(doorbell.get(), &one, sizeof(one));
  }

  void post(std::function<void()> function) {
    if (function) {
      const std::lock_guard lock(mutex);
      posted.push_back(std::move(function));
      has_posted = true;
    }
    if (asleep.exchange(false)) ring();
  }

  void take_posted() {
    if (!has_posted) return;
    const std::lock_guard lock(mutex);
    work.swap(posted);
    has_posted = false;
  }

  using Clock = std::chrono::steady_clock;

  UniqueFd epoll = must_have(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  UniqueFd doorbell = must_have(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
  UniqueFd timer =
      must_have(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create");

  std::mutex mutex;
  std::deque<std::function<void()>> posted;  // For the next turn; the mutex guards it.
  // The loop says that it sleeps, then looks at the others; everybody else changes one of those,
  // then looks whether it sleeps. So one of both always sees the other (all are sequentially
  // consistent).
  std::atomic<bool> asleep{false};
  std::atomic<bool> has_posted{false};
  std::atomic<bool> stopped{false};
  std::atomic<std::size_t> holds{0};
  std::deque<std::function<void()>> work;  // Of this turn.
  std::map<Key, std::function<void()>> calls;
  std::unordered_map<std::uint64_t, TimePoint> due;  // To find a call by its id.
  std::uint64_t last_id = 0;
  std::uint64_t last_before_turn = 0;
  TimePoint turn_began{};
  TimePoint armed = TimePoint::max();  // What the timerfd is set for.
  std::array<epoll_event, 64> arrived{};
  std::size_t arrived_count = 0;
  std::size_t next_event = 0;
  std::size_t wanting = 0;  // Watches.
  std::vector<Watch::Record*> unwatchable;
  std::vector<Watch::Record*> unwatchable_later;
  std::vector<std::unique_ptr<Watch::Record>> dead;  // `arrived` may name them; or one is at work.
  std::vector<std::function<void()>> deferred;
  int batches = 0;   // Under way, one within the other.
  int handlers = 0;  // Likewise.
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  // Edge-triggered: neither is ever read. Each ringing, each expiry is an event of its own.
  impl_->control(EPOLL_CTL_ADD, impl_->doorbell.get(), EPOLLIN | EPOLLET, nullptr);
  impl_->control(EPOLL_CTL_ADD, impl_->timer.get(), EPOLLIN | EPOLLET, nullptr);
}

Loop::~Loop() {
  // What waits here may own what watches, or cancels timers, when it goes.
  while (!impl_->work.empty() || !impl_->posted.empty() || !impl_->calls.empty() ||
         !impl_->dead.empty()) {
    const auto work = std::exchange(impl_->work, {});
    const auto posted = std::exchange(impl_->posted, {});
    const auto dead = std::exchange(impl_->dead, {});
    impl_->due.clear();
    const auto calls = std::exchange(impl_->calls, {});
  }
}

void Loop::run() {
  while (impl_->do_one(true)) {
  }
  impl_->stopped = false;  // Only now: a stop() that came first must not be forgotten.
}

void Loop::run_until(const std::function<bool()>& done) {
  impl_->stopped = false;
  while (!done() && impl_->do_one(true)) {
  }
}

std::size_t Loop::poll() {
  std::size_t count = 0;
  while (impl_->do_one(false)) ++count;
  return count;
}

void Loop::stop() {
  impl_->stopped = true;
  impl_->post({});
}

void Loop::post(std::function<void()> work) { impl_->post(std::move(work)); }

void Loop::batch(const std::function<void()>& work) {
  ++impl_->batches;
  work();
  if (impl_->batches == 1) {
    // What is done here may defer more.
    for (std::size_t i = 0; i < impl_->deferred.size(); ++i)
      std::exchange(impl_->deferred[i], {})();
    impl_->deferred.clear();
  }
  --impl_->batches;
}

void Loop::defer(std::function<void()> work) {
  if (impl_->batches > 0) {
    impl_->deferred.push_back(std::move(work));
  } else {
    post(std::move(work));
  }
}

TimePoint Loop::now() const { return Impl::Clock::now(); }

TimerId Loop::call_at(TimePoint when, std::function<void()> callback) {
  const std::uint64_t id = ++impl_->last_id;
  impl_->calls.emplace(Impl::Key{when, id}, std::move(callback));
  impl_->due.emplace(id, when);
  return TimerId(id);
}

void Loop::cancel(TimerId timer) {
  const auto found = impl_->due.find(timer.value());
  if (found == impl_->due.end()) return;
  const Impl::Key key{found->second, timer.value()};
  impl_->due.erase(found);
  // Gone from the map before it is destroyed: what it owns may cancel others.
  const auto call = impl_->calls.extract(key);
}

Loop::Hold::Hold(Loop& loop) : loop_(&loop) { ++loop.impl_->holds; }
Loop::Hold::Hold(const Hold& other) : Hold(*other.loop_) {}
Loop::Hold::~Hold() {
  // A run() that waits for this alone must notice.
  if (--loop_->impl_->holds == 0) loop_->impl_->post({});
}

Watch::Watch(Loop& loop, int fd, Handler handler)
    : loop_(loop.impl_.get()), record_(std::make_unique<Record>()) {
  record_->fd = fd;
  record_->handler = std::move(handler);
}

Watch::~Watch() {
  loop_->want(*record_, {});
  loop_->forget(*record_);
  record_->dead = true;
  loop_->dead.push_back(std::move(record_));
}

void Watch::want(Ready ready) {
  if (ready != record_->wanted) loop_->want(*record_, ready);
}
Ready Watch::wanted() const { return record_->wanted; }
int Watch::fd() const { return record_->fd; }

}  // namespace periprox
