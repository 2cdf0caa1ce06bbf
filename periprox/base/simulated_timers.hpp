// A clock that tests move by hand, so that every timing is deterministic.
#pragma once

#include <map>
#include <utility>

#include "periprox/base/clock.hpp"

namespace periprox {

/// Timers whose time stands still until advance() is called. Calls due at the same instant are made
/// in the order they were asked for.
class SimulatedTimers final : public Timers {
 public:
  [[nodiscard]] TimePoint now() const override { return now_; }
  TimerId call_at(TimePoint when, std::function<void()> callback) override;
  void cancel(TimerId timer) override;

  /// Moves time forward by `step`, making every call that falls due on the way at its own instant.
  void advance(Duration step);
  /// How many calls are waiting.
  [[nodiscard]] std::size_t pending() const { return calls_.size(); }
  /// When the next call is due; `now()` when none is.
  [[nodiscard]] TimePoint next() const {
    return calls_.empty() ? now_ : calls_.begin()->first.first;
  }

 private:
  TimePoint now_{};
  std::uint64_t last_id_ = 0;
  std::map<std::pair<TimePoint, std::uint64_t>, std::function<void()>> calls_;
};

}  // namespace periprox
