// Shares so many URBs and bytes a second fairly among all who want some.
//
// How it works: each limit is a line on which every URB takes up as much time as it costs (one
// second by the rate); URBs may go while the line is free, or was not taken for longer ahead than a
// burst. What an IN URB really cost is known afterwards and is added then. Among those who wait,
// the one that has used the least goes first; who had nothing to send meanwhile saves nothing up.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/stage/limit_rule.hpp"

namespace periprox::stage {

/// One thread. `timers` outlives it.
class RateLimiter {
 public:
  /// One who shares.
  class Member {
   public:
    virtual ~Member() = default;
    /// Sends its next URB now, and pays for it. May destroy itself.
    virtual void send_next() = 0;
    [[nodiscard]] virtual bool is_waiting() const = 0;

   private:
    friend class RateLimiter;
    Duration used_{};
  };

  /// `rules` of kinds Urbs and Bytes; others are passed over.
  RateLimiter(const std::vector<LimitRule>& rules, Timers& timers);
  ~RateLimiter();
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  void add(Member& member);
  void remove(Member& member);

  /// The member has begun to wait. Lets go whoever may go now; the others in their time.
  void serve(Member& begun);
  /// Takes up what was sent. Any member, also one that is not waiting.
  void pay(Member& member, std::uint64_t urbs, std::uint64_t bytes);

  /// How far ahead a line may be taken: so much may come at once.
  static constexpr Duration kBurst = std::chrono::milliseconds(100);

 private:
  struct Line {
    LimitRule::Kind kind;
    double rate;
    TimePoint free_at{};
  };

  void serve();
  [[nodiscard]] std::optional<TimePoint> blocked_until(TimePoint now) const;
  [[nodiscard]] Member* next() const;

  Timers& timers_;
  std::vector<Line> lines_;
  std::vector<Member*> members_;
  Duration used_by_last_{};  // What the member that went last had used.
  bool serving_ = false;
  std::optional<TimerId> timer_;
  std::shared_ptr<RateLimiter*> self_ = std::make_shared<RateLimiter*>(this);
};

}  // namespace periprox::stage
