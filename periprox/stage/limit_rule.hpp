// One limit that a person sets on what may pass to devices. docs/limits.md has them all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"

namespace periprox::stage {

struct LimitRule {
  enum class Kind : std::uint8_t {
    Urbs,     ///< No more than `rate` URBs a second, of all devices together.
    Bytes,    ///< No more than `rate` bytes a second, of all devices together.
    Breaker,  ///< A device that fails too often is left alone for a while.
    Orphans,  ///< URBs that a device keeps although nobody wants them are reported.
  };

  std::string text;  ///< As it was written.
  Kind kind = Kind::Breaker;
  std::uint64_t rate = 0;
  /// Breaker: it opens when this share of at least `least` URBs within `window` has failed, and
  /// stays open for `pause`.
  double share = 0.5;
  std::uint64_t least = 20;
  Duration window = std::chrono::seconds(10);
  Duration pause = std::chrono::seconds(5);
  /// Orphans: how long a device may take to give back what was cancelled.
  Duration patience = std::chrono::seconds(5);
};

/// Reads a rule. Usage says what is wrong with it and what would be right.
[[nodiscard]] Result<LimitRule> parse_limit_rule(std::string_view text);

}  // namespace periprox::stage
