// Calls that wait for their instants: an ordered map, so that thousands of endpoints at 1 kHz cost
// a map operation each, not a timer of the kernel.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "periprox/base/clock.hpp"

namespace periprox {

/// Knows no clock. One thread.
class TimedCalls {
 public:
  TimerId add(TimePoint when, std::function<void()> callback);
  /// As Timers::cancel().
  void cancel(TimerId timer);
  [[nodiscard]] bool empty() const { return calls_.empty(); }
  /// The instant of the first call.
  [[nodiscard]] std::optional<TimePoint> first() const;
  /// From now on make_due_call() means the calls that are there now and due at `now`: one that asks
  /// for another, at once, does not keep everything else waiting.
  void begin_round(TimePoint now);
  /// Makes the first call of this round; false when there is none.
  bool make_due_call();
  /// Forgets all. What they own may add others meanwhile.
  void clear();

 private:
  using Key = std::pair<TimePoint, std::uint64_t>;

  std::map<Key, std::function<void()>> calls_;
  std::unordered_map<std::uint64_t, TimePoint> due_;  // To find a call by its id.
  std::uint64_t last_id_ = 0;
  std::uint64_t last_of_round_ = 0;
  TimePoint round_began_{};
};

}  // namespace periprox
