// How a case ends. A case reads top to bottom and leaves at the first thing that settles it; that
// is the one place in the house where exceptions are the plain way, and they stay inside this room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace periprox::check {

enum class Verdict : std::uint8_t {
  Pass,
  Fail,
  NotApplicable,  ///< This device or this run cannot tell.
};
/// "pass", "fail", "not applicable".
[[nodiscard]] std::string_view verdict_name(Verdict verdict);

/// Thrown to end a case early, never beyond run_case().
struct Settled {
  Verdict verdict;
  std::string reason;
};

/// The peer does wrong what the case is about.
[[noreturn]] void failed(std::string reason);
/// The case cannot be told with this device.
[[noreturn]] void not_applicable(std::string reason);
/// failed(reason) unless `holds`.
void require(bool holds, std::string_view reason);

}  // namespace periprox::check
