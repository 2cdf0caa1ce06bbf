// A turn of the loop: wait, then what was posted, then the timed calls that are due, then the
// descriptors that are ready. What is asked for during a turn belongs to the next one, so that
// nothing can starve the rest.
//
// One timerfd serves all timed calls: it is set for the first, and left alone when that is
// cancelled. (The timeout of epoll_wait is late by the thread's timer slack, 50 us, which an
// endpoint of 8 kHz would feel.)
#include "periprox/loop/loop.hpp"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "periprox/loop/loop_impl.hpp"

namespace periprox {
namespace {

using Clock = std::chrono::steady_clock;

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

Loop::Impl::Impl()
    : epoll(must_have(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      doorbell(must_have(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      timer(must_have(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                      "timerfd_create")) {
  // Edge-triggered: neither is ever read. Each ringing, each expiry is an event of its own.
  for (const auto& [fd, mark] : {std::pair{doorbell.get(), &doorbell}, {timer.get(), &timer}}) {
    const int error = control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, mark);
    if (error != 0) throw std::system_error(error, std::generic_category(), "epoll_ctl");
  }
}

/// Does one thing; false when there is nothing left to do, or nothing to do now and `may_wait` is
/// false.
bool Loop::Impl::do_one(bool may_wait) {
  for (;;) {
    if (stopped) return false;
    if (!work.empty()) {
      const auto next = std::move(work.front());
      work.pop_front();
      next();
      return true;
    }
    if (calls.make_due_call()) return true;
    if (next_event < arrived_count) {
      const auto& event = arrived[next_event++];
      if (event.data.ptr == &timer || event.data.ptr == &doorbell) continue;  // The turn knows.
      on_event(*static_cast<Watch::Record*>(event.data.ptr), event.events);
      return true;
    }
    if (serve_queued()) return true;
    if (!begin_turn(may_wait)) return false;
  }
}

/// False when nothing is left to do or, without waiting, nothing is there.
bool Loop::Impl::begin_turn(bool may_wait) {
  if (!dead.empty()) bury_dead();
  queued.swap(queued_later);
  bool is_due = !arm();
  bool waits = !is_due && queued.empty() && may_wait;
  asleep = waits;  // Who posts, stops or lets go from now on rings; who did before is seen here.
  const bool is_held = holds > 0;  // First: who held has posted by then.
  take_posted();
  waits = waits && work.empty() && !stopped;
  if (work.empty() && queued.empty() && calls.empty() && wanting == 0 && !is_held) {
    asleep = false;
    return false;
  }
  const int got =
      ::epoll_wait(epoll.get(), arrived.data(), static_cast<int>(arrived.size()), waits ? -1 : 0);
  next_event = 0;
  arrived_count = got > 0 ? static_cast<std::size_t>(got) : 0;
  asleep = false;
  if (work.empty()) take_posted();
  // Whatever is due, the timer has told of, for it is never set for later than the first call.
  for (std::size_t i = 0; i < arrived_count; ++i) is_due |= arrived[i].data.ptr == &timer;
  if (is_due) {
    const TimePoint now = Clock::now();
    if (armed <= now) armed = TimePoint::max();
    calls.begin_round(now);
    is_due = calls.first().value_or(TimePoint::max()) <= now;
  }
  return may_wait || !work.empty() || arrived_count > 0 || is_due || !queued.empty();
}

/// Sees to it that the timer fires when the first call is due, or before: then it is set anew.
/// False when that call is due already.
bool Loop::Impl::arm() {
  if (calls.empty()) return true;
  const TimePoint first = *calls.first();
  if (first >= armed) return true;
  const TimePoint now = Clock::now();
  if (first <= now) return false;
  armed = first;
  const auto spec = after(first - now);
  ::timerfd_settime(timer.get(), 0, &spec, nullptr);
  return true;
}

void Loop::Impl::post(std::function<void()> function) {
  const std::lock_guard lock(mutex);
  posted.push_back(std::move(function));
  has_posted = true;
  ring();
}

/// Ends a wait; with the mutex held, and that from before the loop could learn that it may end:
/// whoever runs the loop may destroy it then, which waits for the mutex, so that nothing of the
/// loop is touched once it is gone.
void Loop::Impl::ring() {
  if (!asleep.exchange(false)) return;
  const std::uint64_t one = 1;
  (void)!::write(doorbell.get(), &one, sizeof(one));
}

void Loop::Impl::take_posted() {
  if (!has_posted) return;
  const std::lock_guard lock(mutex);
  work.swap(posted);
  has_posted = false;
}

Loop::Loop() : impl_(std::make_unique<Impl>()) {}

Loop::~Loop() {
  auto& impl = *impl_;
  impl.mutex.lock();  // Somebody else may be within ring().
  impl.mutex.unlock();
  // What waits here may own what watches, or cancels timers, when it goes.
  while (!impl.work.empty() || !impl.posted.empty() || !impl.calls.empty() || !impl.dead.empty()) {
    const auto work = std::exchange(impl.work, {});
    const auto posted = std::exchange(impl.posted, {});
    const auto dead = std::exchange(impl.dead, {});
    impl.calls.clear();
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
  const std::lock_guard lock(impl_->mutex);
  impl_->stopped = true;
  impl_->ring();
}

void Loop::post(std::function<void()> work) { impl_->post(std::move(work)); }

Loop::Batch::Batch(Loop& loop) : loop_(*loop.impl_) { ++loop_.batches; }
Loop::Batch::~Batch() {
  if (loop_.batches == 1) loop_.end_batch();
  --loop_.batches;
}

void Loop::Impl::end_batch() {
  // What is called here may ask for more.
  while (Deferred* const next = first_deferred) {
    next->leave_list();
    next->call_();
  }
}

Deferred::Deferred(Loop& loop, std::function<void()> call)
    : loop_(loop.impl_.get()), call_(std::move(call)) {}

Deferred::~Deferred() {
  if (asked_) leave_list();
}

void Deferred::ask() {
  if (std::exchange(asked_, true)) return;
  before_ = loop_->last_deferred;
  (before_ != nullptr ? before_->after_ : loop_->first_deferred) = this;
  loop_->last_deferred = this;
  // Outside of a batch, the first that asks sees to it that there will be one.
  if (loop_->batches > 0 || before_ != nullptr) return;
  loop_->post([loop = loop_] {
    ++loop->batches;
    loop->end_batch();
    --loop->batches;
  });
}

void Deferred::leave_list() {
  (before_ != nullptr ? before_->after_ : loop_->first_deferred) = after_;
  (after_ != nullptr ? after_->before_ : loop_->last_deferred) = before_;
  before_ = after_ = nullptr;
  asked_ = false;
}

TimePoint Loop::now() const { return Clock::now(); }

TimerId Loop::call_at(TimePoint when, std::function<void()> callback) {
  return impl_->calls.add(when, std::move(callback));
}

void Loop::cancel(TimerId timer) { impl_->calls.cancel(timer); }

Loop::Hold::Hold(Loop& loop) : loop_(&loop) { ++loop.impl_->holds; }
Loop::Hold::Hold(const Hold& other) : Hold(*other.loop_) {}
Loop::Hold::~Hold() {
  const std::lock_guard lock(loop_->impl_->mutex);
  // A run() that waits for this alone must notice.
  if (--loop_->impl_->holds == 0) loop_->impl_->ring();
}

}  // namespace periprox
