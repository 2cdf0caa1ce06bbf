// Colours for a terminal.
#pragma once

#include <string>
#include <string_view>

#include "periprox/app/output.hpp"

namespace periprox::app {

/// True when the output is a terminal and NO_COLOR is not set (no-color.org).
[[nodiscard]] bool wants_colour(const Output& output);

/// Colours the lines of usb::render_text(): what heads a block in bold, notes faint.
[[nodiscard]] std::string highlight(std::string_view text);

}  // namespace periprox::app
