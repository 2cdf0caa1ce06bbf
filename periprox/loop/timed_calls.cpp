#include "periprox/loop/timed_calls.hpp"

namespace periprox {

TimerId TimedCalls::add(TimePoint when, std::function<void()> callback) {
  const std::uint64_t id = ++last_id_;
  calls_.emplace(Key{when, id}, std::move(callback));
  due_.emplace(id, when);
  return TimerId(id);
}

void TimedCalls::cancel(TimerId timer) {
  const auto found = due_.find(timer.value());
  if (found == due_.end()) return;
  const Key key{found->second, timer.value()};
  due_.erase(found);
  // Gone from the map before it is destroyed: what it owns may cancel others.
  const auto call = calls_.extract(key);
}

std::optional<TimePoint> TimedCalls::first() const {
  if (calls_.empty()) return std::nullopt;
  return calls_.begin()->first.first;
}

void TimedCalls::begin_round(TimePoint now) {
  round_began_ = now;
  last_of_round_ = last_id_;
}

bool TimedCalls::make_due_call() {
  for (auto next = calls_.begin(); next != calls_.end() && next->first.first <= round_began_;
       ++next) {
    if (next->first.second > last_of_round_) continue;
    auto call = calls_.extract(next);
    due_.erase(call.key().second);
    call.mapped()();
    return true;
  }
  return false;
}

void TimedCalls::clear() {
  due_.clear();
  const auto calls = std::exchange(calls_, {});
}

}  // namespace periprox
