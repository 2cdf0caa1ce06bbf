// Numbers as people write them on a command line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"

namespace periprox::app {

/// A whole number from 0 to `most`, decimal or with 0x; `name` is for the message.
[[nodiscard]] Result<std::uint64_t> parse_number(std::string_view name, std::string_view text,
                                                 std::uint64_t most);
/// Seconds, "0.5" or "30": more than 0, at most a day.
[[nodiscard]] Result<Duration> parse_seconds(std::string_view name, std::string_view text);
/// "INTERFACE:ALTERNATE", e.g. "0:1".
[[nodiscard]] Result<std::pair<std::uint8_t, std::uint8_t>> parse_setting(std::string_view text);

}  // namespace periprox::app
