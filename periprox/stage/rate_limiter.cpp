#include "periprox/stage/rate_limiter.hpp"

#include <algorithm>

namespace periprox::stage {

RateLimiter::RateLimiter(const std::vector<LimitRule>& rules, Timers& timers) : timers_(timers) {
  for (const auto& rule : rules) {
    if (rule.kind == LimitRule::Kind::Urbs || rule.kind == LimitRule::Kind::Bytes)
      lines_.push_back({rule.kind, static_cast<double>(rule.rate)});
  }
}

RateLimiter::~RateLimiter() {
  *self_ = nullptr;
  if (timer_) timers_.cancel(*timer_);
}

void RateLimiter::add(Member& member) { members_.push_back(&member); }

void RateLimiter::remove(Member& member) { std::erase(members_, &member); }

void RateLimiter::serve(Member& begun) {
  begun.used_ = std::max(begun.used_, used_by_last_);
  serve();
}

void RateLimiter::serve() {
  if (serving_ || timer_) return;  // Whoever is at it goes on; or it is not time yet.
  serving_ = true;
  const auto self = self_;
  while (*self != nullptr) {
    auto* const member = next();
    if (member == nullptr) break;
    if (const auto until = blocked_until(timers_.now())) {
      timer_ = timers_.call_at(*until, [self] {
        if (*self == nullptr) return;
        (*self)->timer_.reset();
        (*self)->serve();
      });
      break;
    }
    used_by_last_ = member->used_;
    member->send_next();
  }
  if (*self != nullptr) serving_ = false;
}

void RateLimiter::pay(Member& member, std::uint64_t urbs, std::uint64_t bytes) {
  const auto now = timers_.now();
  for (auto& line : lines_) {
    const auto count = line.kind == LimitRule::Kind::Urbs ? urbs : bytes;
    const Duration cost(static_cast<std::int64_t>(static_cast<double>(count) / line.rate * 1e9));
    line.free_at = std::max(line.free_at, now) + cost;
    member.used_ += cost;
  }
}

/// When the last of the lines is free enough again; empty when all are.
std::optional<TimePoint> RateLimiter::blocked_until(TimePoint now) const {
  std::optional<TimePoint> until;
  for (const auto& line : lines_) {
    const auto free = line.free_at - kBurst;
    if (free > now && (!until || free > *until)) until = free;
  }
  return until;
}

/// Of those who wait, the one that has used the least.
RateLimiter::Member* RateLimiter::next() const {
  Member* least = nullptr;
  for (auto* const member : members_) {
    if (member->is_waiting() && (least == nullptr || member->used_ < least->used_)) least = member;
  }
  return least;
}

}  // namespace periprox::stage
