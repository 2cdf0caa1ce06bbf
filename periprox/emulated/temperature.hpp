// Where an emulated thermometer gets its temperatures from.
//
// Values are whole millionths of a degree, so that a ramp never drifts; the thermometer asks for
// the next one only when it delivers a packet, so a host misses none.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <optional>
#include <string>
#include <string_view>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/emulated/settings.hpp"

namespace periprox::emulated {

using MicroCelsius = std::int64_t;

/// The next temperature; empty while there is none yet.
using TemperatureSource = std::function<std::optional<MicroCelsius>(TimePoint now)>;

/// What fits into the device's packets: 16 bits of 1/128 degree.
inline constexpr MicroCelsius kColdest = -256'000'000;
inline constexpr MicroCelsius kHottest = 255'992'187;

/// In units of 1/128 degree, rounded to the nearest.
[[nodiscard]] std::int16_t to_128ths(MicroCelsius celsius);
/// A temperature that the device can tell; empty for anything else.
[[nodiscard]] std::optional<MicroCelsius> parse_celsius(std::string_view text);

[[nodiscard]] TemperatureSource constant_temperature(MicroCelsius celsius);
/// `from`, `from + step`, ... as far as `to`; each once, in order, then the last one for ever.
/// `step` leads from `from` towards `to` and is not 0.
[[nodiscard]] TemperatureSource ramp_temperature(MicroCelsius from, MicroCelsius to,
                                                 MicroCelsius step);
/// mean + amplitude * sin(2 pi t / period), t counted from the first value.
[[nodiscard]] TemperatureSource sine_temperature(MicroCelsius mean, MicroCelsius amplitude,
                                                 Duration period);
/// One value for each line of `file`, read as a whole now; the last one holds. Blank lines are
/// skipped; any other line that is no temperature is an error that names it.
[[nodiscard]] Result<TemperatureSource> listed_temperature(std::istream& file,
                                                           const std::string& name);
/// One value for each line that arrives at `fd`, which is looked at without waiting whenever a
/// value is wanted; the last one holds, and before the first there is none. A line that is no
/// temperature is skipped and told to `complain`. The descriptor stays open and belongs to the
/// caller.
[[nodiscard]] TemperatureSource streamed_temperature(
    int fd, std::function<void(const std::string&)> complain);

/// The source that the settings celsius, ramp, sine or file ask for. Wrong values are left as an
/// error in `reader`; a file that cannot be read is the error returned.
[[nodiscard]] Result<TemperatureSource> temperature_from(SettingsReader& reader);

}  // namespace periprox::emulated
