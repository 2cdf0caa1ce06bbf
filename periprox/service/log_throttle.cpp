#include "periprox/service/log_throttle.hpp"

#include <utility>

namespace periprox::service {

void LogThrottle::refill(TimePoint now) {
  if (now - period_start_ < period_) return;
  period_start_ = now;
  used_ = 0;
}

bool LogThrottle::allows(TimePoint now) {
  refill(now);
  if (used_ < burst_) {
    ++used_;
    return true;
  }
  ++suppressed_;
  return false;
}

std::uint64_t LogThrottle::take_suppressed(TimePoint now) {
  refill(now);
  return used_ < burst_ ? std::exchange(suppressed_, 0) : 0;
}

}  // namespace periprox::service
