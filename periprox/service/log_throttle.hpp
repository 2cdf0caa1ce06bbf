// Keeps a log readable while somebody floods us: so many lines in a while, then one line that
// counts what was left out.
#pragma once

#include <cstdint>

#include "periprox/base/clock.hpp"

namespace periprox::service {

/// A token bucket. Not thread-safe.
class LogThrottle {
 public:
  /// Lets through `burst` lines at once, and `burst` more each `period`.
  LogThrottle(std::uint32_t burst, Duration period) : burst_(burst), period_(period) {}

  /// True when a line may be written now.
  [[nodiscard]] bool allows(TimePoint now);
  /// How many lines were refused since this was asked last, once lines are allowed again; else 0.
  [[nodiscard]] std::uint64_t take_suppressed(TimePoint now);

 private:
  void refill(TimePoint now);

  std::uint32_t burst_;
  Duration period_;
  TimePoint period_start_{};
  std::uint32_t used_ = 0;
  std::uint64_t suppressed_ = 0;
};

}  // namespace periprox::service
