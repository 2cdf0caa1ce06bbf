// The words of `periprox check` on the command line.
#pragma once

#include <string>

#include "periprox/app/options.hpp"

namespace CLI {
class App;
}

namespace periprox::app {

/// Adds the verb to `app`; what is read goes into `options` and, as typed, into `timeout`.
CLI::App* describe_check(CLI::App& app, CheckOptions& options, std::string& timeout);

}  // namespace periprox::app
