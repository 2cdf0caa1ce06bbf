// Two captures, compared by what was asked and what was answered.
#pragma once

#include "periprox/app/options.hpp"
#include "periprox/app/output.hpp"
#include "periprox/base/result.hpp"

namespace periprox::app {

/// Prints where the captures differ first, and fails with that; prints how much is the same when
/// they don't. Transfers of one endpoint are compared in their order; which endpoint was faster,
/// and what time it was, is no difference.
[[nodiscard]] Result<void> compare_traces(const InspectOptions& options, Output& output);

}  // namespace periprox::app
