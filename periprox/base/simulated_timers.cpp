#include "periprox/base/simulated_timers.hpp"

#include <algorithm>

namespace periprox {

TimerId SimulatedTimers::call_at(TimePoint when, std::function<void()> callback) {
  const auto id = ++last_id_;
  calls_.emplace(std::pair(std::max(when, now_), id), std::move(callback));
  return TimerId(id);
}

void SimulatedTimers::cancel(TimerId timer) {
  std::erase_if(calls_, [&](const auto& call) { return call.first.second == timer.value(); });
}

void SimulatedTimers::advance(Duration step) {
  const TimePoint end = now_ + step;
  while (!calls_.empty() && calls_.begin()->first.first <= end) {
    auto call = calls_.extract(calls_.begin());
    now_ = call.key().first;
    call.mapped()();
  }
  now_ = end;
}

}  // namespace periprox
