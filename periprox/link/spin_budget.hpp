// How long it pays to spin before sleeping, learned from how long the waits were.
//
// Spinning pays when the peer answers within the time that a wake-up takes. It does harm when the
// peer cannot answer because it waits for the very processor that spins. Both show in how long a
// wait took in all, so the rule is the one by which KVM polls for a halted guest: a wait that
// spinning could have covered makes the budget grow, a longer one makes it nothing.
#pragma once

#include <algorithm>

#include "periprox/base/clock.hpp"

namespace periprox::link {

class SpinBudget {
 public:
  /// Never more than `most`; that to begin with.
  explicit SpinBudget(Duration most) : most_(most), now_(most) {}

  [[nodiscard]] Duration now() const { return now_; }
  /// The peer ended a sleep; so long ago something had moved last.
  void woken_after(Duration waited) {
    now_ = waited > most_ ? Duration::zero() : std::min(most_, std::max(now_ * 2, most_ / 8));
  }

 private:
  Duration most_;
  Duration now_;
};

}  // namespace periprox::link
