// One wish of a tester: which URBs, and what is to go wrong with them.
//
// Written as an action and selectors, in any order, with commas between them:
// "stall,ep=0x81,nth=3" or "p=0.01,corrupt=2,dir=in". docs/faults.md has them all.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::stage {

struct FaultRule {
  enum class Action : std::uint8_t {
    Stall,       ///< Answered with STALL; the device never sees it.
    Error,       ///< Answered with `status`; the device never sees it.
    Drop,        ///< Never answered, until the host cancels it; the device never sees it.
    Delay,       ///< Answered `duration` later.
    Jitter,      ///< Answered up to `duration` later, each time another.
    Slow,        ///< Answered no faster than `amount` bytes a second.
    Truncate,    ///< Answered with no more than `amount` bytes.
    Corrupt,     ///< One bit flipped in each of `amount` bytes of the data.
    Duplicate,   ///< Happens twice: what came in comes again, what goes out goes again.
    Reorder,     ///< Answered after the next one of its endpoint.
    Disconnect,  ///< The device goes away; it is back after `duration`, unless that is 0.
  };

  std::string text;  ///< As it was written.
  Action action = Action::Stall;
  usb::Status status = usb::Status::ProtocolError;
  Duration duration{};
  std::uint64_t amount = 0;

  std::optional<usb::EndpointAddress> endpoint;
  std::optional<usb::TransferType> type;
  std::optional<usb::Direction> direction;
  /// The first bytes of the setup packet; an empty one fits any byte.
  std::vector<std::optional<std::uint8_t>> setup;
  std::uint64_t first = 1;  ///< The first of the fitting URBs it happens to, counted from 1.
  std::uint64_t times = 0;  ///< To how many it happens at most; 0 = no limit.
  std::uint64_t every = 1;  ///< From the first on, to each n-th.
  double probability = 1;

  /// True when it is about this URB; what is counted or diced is not asked.
  [[nodiscard]] bool fits(const usb::UrbData& urb) const;
};

/// Reads a rule. Usage says what is wrong with it and what would be right.
[[nodiscard]] Result<FaultRule> parse_fault_rule(std::string_view text);

}  // namespace periprox::stage
