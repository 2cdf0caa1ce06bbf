// Reads the command line. The only place that knows CLI11.
#pragma once

#include <string>

#include "periprox/app/options.hpp"
#include "periprox/base/result.hpp"

namespace periprox::app {

/// What to do: run a verb, or print a text (--help, --version).
using Command = std::variant<Options, std::string>;

/// Reads the arguments of main(). Usage for anything that makes no sense.
[[nodiscard]] Result<Command> parse_command_line(int argc, const char* const* argv);

}  // namespace periprox::app
