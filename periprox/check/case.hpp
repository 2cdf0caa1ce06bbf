// A case: one thing that a server must do, with a name that stays, and where it is written or whom
// it broke. The groups of cases stand in a file each.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/check/verdict.hpp"

namespace periprox::check {

class Probe;

/// What a case does to the device.
enum class Touch : std::uint8_t {
  Reads,    ///< Standard GET requests at most: safe for any device.
  Changes,  ///< Writes data, selects settings, resets, or is more than some kernels bear.
};

struct Case {
  std::string name;            ///< "unlink.pending"; never changes its meaning.
  std::string_view what;       ///< What the server must do, in one sentence.
  std::string_view reference;  ///< Where it is written, or who was broken by it.
  Touch touch = Touch::Reads;
  std::function<void(Probe&)> run;  ///< Returns when the server passes, else throws Settled.
};

struct Outcome {
  Verdict verdict = Verdict::Pass;
  std::string reason;  ///< Empty when passed.
};

/// Runs one case; never longer than about `limit`.
[[nodiscard]] Outcome run_case(const Case& each, Probe& probe, Duration limit);

/// Every case against servers, in the order in which they are run.
[[nodiscard]] const std::vector<Case>& server_cases();

// ---- The groups ---------------------------------------------------------------------------------

[[nodiscard]] std::vector<Case> management_cases();  ///< "op.": before a device is imported.
[[nodiscard]] std::vector<Case> import_cases();   ///< "import.": what an import says and refuses.
[[nodiscard]] std::vector<Case> header_cases();   ///< "header.": fields of commands and replies.
[[nodiscard]] std::vector<Case> control_cases();  ///< "control.": requests on endpoint 0.
[[nodiscard]] std::vector<Case> request_cases();  ///< "request.": those that change the device.
[[nodiscard]] std::vector<Case> unlink_cases();   ///< "unlink."
[[nodiscard]] std::vector<Case> bulk_cases();     ///< "bulk.": sizes and flags.
[[nodiscard]] std::vector<Case> iso_cases();      ///< "iso."
[[nodiscard]] std::vector<Case> flow_cases();     ///< "flow.": many at once.
[[nodiscard]] std::vector<Case> end_cases();      ///< "end.": connections that die.

}  // namespace periprox::check
