// Time as it is passed in: nobody but `loop` asks the system what time it is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "periprox/base/strong_id.hpp"

namespace periprox {

/// A monotonic instant. Its zero means nothing; only differences do.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

/// Names a call that was asked for; 0 names none.
using TimerId = StrongId<struct TimerTag, std::uint64_t>;

/// Calls back at an instant, on the thread of the event loop that it belongs to. The real one is
/// Loop; tests use SimulatedTimers. Not thread-safe.
class Timers {
 public:
  virtual ~Timers() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
  /// Calls `callback` once, at `when` or as soon after as possible, never from within this call.
  virtual TimerId call_at(TimePoint when, std::function<void()> callback) = 0;
  /// Forgets the call; harmless when it was made already or never existed.
  virtual void cancel(TimerId timer) = 0;
};

}  // namespace periprox
