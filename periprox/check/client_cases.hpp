// The cases about clients: what each does when a server behaves in some way. They are run in this
// order, each with the next client that imports the device.
#pragma once

#include <functional>
#include <vector>

#include "periprox/check/case.hpp"
#include "periprox/check/client_probe.hpp"
#include "periprox/check/suite.hpp"

namespace periprox::check {

struct ClientCase {
  Case text;  ///< Its name and so on.
  std::function<void(ClientProbe&)> run;
};

[[nodiscard]] const std::vector<ClientCase>& client_cases();

/// Every case about clients, those of ClientSays at the end, without what they do.
[[nodiscard]] std::vector<Case> client_case_texts();

/// Runs the chosen cases, one client after the other, and then judges what was said meanwhile.
/// Blocks; each wait is bounded. Once nobody comes, it waits no more.
Counts run_client_suite(ClientProbe& probe, const RunOptions& options, const Watcher& watcher);

}  // namespace periprox::check
