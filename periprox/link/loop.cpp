// One Asio timer serves all calls: it is armed for the earliest. The calls wait in an ordered map,
// so that thousands of endpoints at 1 kHz cost a map operation each, not a timer object.
#include "periprox/link/loop.hpp"

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

namespace periprox::link {

struct Loop::Impl {
  using Key = std::pair<TimePoint, std::uint64_t>;

  asio::io_context io{1};  // One thread: Asio needs fewer locks.
  asio::steady_timer timer{io};
  std::map<Key, std::function<void()>> calls;
  std::unordered_map<std::uint64_t, TimePoint> due;  // To find a call by its id.
  std::uint64_t last_id = 0;
  std::vector<std::function<void()>> deferred;
  int batches = 0;  // Under way, one within the other.
  TimePoint armed = TimePoint::max();

  void arm() {
    if (calls.empty()) {
      if (armed != TimePoint::max()) timer.cancel();
      armed = TimePoint::max();
      return;
    }
    const TimePoint first = calls.begin()->first.first;
    if (first == armed) return;
    armed = first;
    timer.expires_at(std::chrono::time_point_cast<asio::steady_timer::duration>(first));
    timer.async_wait([this](const std::error_code& error) {
      if (error) return;  // Armed anew meanwhile, or cancelled.
      armed = TimePoint::max();
      make_due_calls();
      arm();
    });
  }

  void make_due_calls() {
    const TimePoint now = std::chrono::steady_clock::now();
    // Calls asked for by these calls wait for the next round, so that a loop cannot starve the
    // rest.
    const std::uint64_t last_before = last_id;
    auto next = calls.begin();
    while (next != calls.end() && next->first.first <= now) {
      if (next->first.second > last_before) {
        ++next;
        continue;
      }
      auto call = calls.extract(next);
      due.erase(call.key().second);
      call.mapped()();
      next = calls.begin();
    }
  }
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

void Loop::run() {
  impl_->io.run();
  impl_->io.restart();  // Only now: a stop() that came first must not be forgotten.
}

void Loop::run_until(const std::function<bool()>& done) {
  impl_->io.restart();
  while (!done() && impl_->io.run_one() > 0) {
  }
}

void Loop::stop() { impl_->io.stop(); }

void Loop::post(std::function<void()> work) { asio::post(impl_->io, std::move(work)); }

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

TimePoint Loop::now() const { return std::chrono::steady_clock::now(); }

TimerId Loop::call_at(TimePoint when, std::function<void()> callback) {
  const std::uint64_t id = ++impl_->last_id;
  impl_->calls.emplace(Impl::Key{when, id}, std::move(callback));
  impl_->due.emplace(id, when);
  impl_->arm();
  return TimerId(id);
}

void Loop::cancel(TimerId timer) {
  const auto found = impl_->due.find(timer.value());
  if (found == impl_->due.end()) return;
  impl_->calls.erase({found->second, timer.value()});
  impl_->due.erase(found);
  impl_->arm();
}

asio::io_context& Loop::io() { return impl_->io; }

}  // namespace periprox::link
