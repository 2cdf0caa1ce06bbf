// The verbs of the command line, one file each.
#pragma once

#include "periprox/app/options.hpp"
#include "periprox/app/output.hpp"
#include "periprox/base/result.hpp"

namespace periprox::app {

/// Exports devices until SIGINT or SIGTERM.
[[nodiscard]] Result<void> serve(const ServeOptions& options, Output& output);
/// Lists the devices of this machine or of a server, or what can be emulated.
[[nodiscard]] Result<void> list(const ListOptions& options, Output& output);
/// Prints every descriptor of a device.
[[nodiscard]] Result<void> show(const ShowOptions& options, Output& output);
/// Makes transfers; data on standard input and output.
[[nodiscard]] Result<void> transfer(const TransferOptions& options, Output& output);

/// Prints what a capture holds, or where two captures differ first.
[[nodiscard]] Result<void> inspect(const InspectOptions& options, Output& output);

}  // namespace periprox::app
