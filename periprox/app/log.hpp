// The log that people read, on standard error. The only place that knows the logging library.
#pragma once

#include <cstdint>
#include <string_view>

namespace periprox::app {

enum class LogLevel : std::uint8_t { Detail, Info, Warning, Nothing };

/// Sets up the log; lines below `least` are left out.
void start_log(LogLevel least);
/// Writes a line, with the time of day in front. `text` is printable.
void log_line(LogLevel level, std::string_view text);

}  // namespace periprox::app
