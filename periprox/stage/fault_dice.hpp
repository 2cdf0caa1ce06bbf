// Decides which of the fitting URBs a fault rule strikes, the same way in every run.
#pragma once

#include <array>
#include <cstdint>

#include "periprox/stage/fault_rule.hpp"

namespace periprox::stage {

/// The counter and the dice of one rule at one device. Each endpoint has dice of its own, so that
/// endpoints which overtake each other differently in the next run change nothing.
class FaultDice final {
 public:
  /// `seed` is that of the run; `device` and `rule` say which dice these are.
  FaultDice(std::uint64_t seed, std::uint64_t device, std::uint64_t rule) {
    for (std::size_t i = 0; i < states_.size(); ++i)
      states_[i] = mix(mix(mix(seed) ^ device) ^ rule << 8) ^ mix(i);
  }

  /// True when a rule that fits strikes this URB.
  [[nodiscard]] bool strikes(const FaultRule& rule, usb::EndpointAddress endpoint) {
    const auto number = ++seen_;
    if (number < rule.first || (number - rule.first) % rule.every != 0) return false;
    if (rule.times != 0 && struck_ == rule.times) return false;
    if (rule.probability < 1) {
      constexpr double kWhole = 9007199254740992.0;  // 2^53
      if (static_cast<double>(draw(endpoint) >> 11) / kWhole >= rule.probability) return false;
    }
    ++struck_;
    return true;
  }
  /// A number below `bound`; 0 when that is 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound, usb::EndpointAddress endpoint) {
    return bound == 0 ? 0 : draw(endpoint) % bound;
  }
  [[nodiscard]] std::uint64_t struck() const { return struck_; }

 private:
  // SplitMix64: the same numbers on every platform.
  static std::uint64_t mix(std::uint64_t z) {
    z += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t draw(usb::EndpointAddress endpoint) {
    auto& state = states_[endpoint.index()];
    state += 0x9e3779b97f4a7c15;
    return mix(state);
  }

  std::array<std::uint64_t, usb::kEndpointTableSize> states_{};
  std::uint64_t seen_ = 0;
  std::uint64_t struck_ = 0;
};

}  // namespace periprox::stage
