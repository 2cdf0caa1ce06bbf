// The options that every verb has which moves URBs.
#pragma once

#include "periprox/service/stage_options.hpp"

namespace CLI {
class App;
}

namespace periprox::app {

/// Adds --capture, --fault, --limit and what belongs to them to a verb. `options` outlives `verb`.
void add_stage_options(CLI::App& verb, service::StageOptions& options);

}  // namespace periprox::app
