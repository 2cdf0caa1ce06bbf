// The values that rules on a command line are made of: numbers, times and rates.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "periprox/base/clock.hpp"

namespace periprox::stage {

/// What stands between the commas of a rule; at least one, maybe empty, word.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view rule);
/// "10", "0x81".
[[nodiscard]] std::optional<std::uint64_t> parse_whole(std::string_view text);
/// A number with a fraction, from 0 on, and what follows it.
[[nodiscard]] std::optional<std::pair<double, std::string_view>> parse_real(std::string_view text);
/// "20ms", "1.5s"; at most a day.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);
/// "64k", "1.5M": at least 1.
[[nodiscard]] std::optional<std::uint64_t> parse_rate(std::string_view text);

}  // namespace periprox::stage
