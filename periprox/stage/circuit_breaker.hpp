// Leaves a device alone for a while that fails too often.
//
// Closed, everything passes and failures are counted. Open, nothing does. After a pause it is half
// open: one URB of each endpoint may try; the first outcome closes it, or opens it again for twice
// as long.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "periprox/base/clock.hpp"
#include "periprox/stage/limit_rule.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::stage {

/// Knows no device and no clock. One thread.
class CircuitBreaker {
 public:
  enum class State : std::uint8_t { Closed, Open, HalfOpen };

  explicit CircuitBreaker(const LimitRule& rule) : rule_(rule), pause_(rule.pause) {}

  [[nodiscard]] State state() const { return state_; }
  /// Whether an URB to the endpoint at this place (below usb::kEndpointTableSize) may pass.
  [[nodiscard]] bool admits(TimePoint now, std::size_t place);
  /// Learns how an URB came back that was admitted; true when that changed the state.
  bool learn(TimePoint now, std::size_t place, usb::Status status);
  /// What the state means, for people.
  [[nodiscard]] std::string text() const;

  /// The longest pause, however often a device fails.
  static constexpr Duration kLongestPause = std::chrono::minutes(1);

 private:
  struct Count {
    std::uint64_t all = 0;
    std::uint64_t failed = 0;
  };

  void open(TimePoint now);

  LimitRule rule_;
  State state_ = State::Closed;
  // The window is two halves, the one under way and the one before.
  TimePoint half_began_{};
  Count now_;
  Count before_;
  Duration pause_;
  TimePoint open_until_{};
  std::uint32_t trying_ = 0;  // A bit for each endpoint.
  Count seen_;                // When it opened.
};

}  // namespace periprox::stage
