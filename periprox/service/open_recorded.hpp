// Opens a device that a capture plays.
#pragma once

#include <functional>
#include <string_view>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/opened_device.hpp"

namespace periprox::service {

/// Reads the whole capture. `timers` outlives the device; `advise` is told, on the device's loop,
/// where the host leaves the recording. May be called from any thread.
[[nodiscard]] Result<OpenedDevice> open_recorded(const RecordedLocator& locator, Timers& timers,
                                                 std::function<void(std::string_view)> advise);

}  // namespace periprox::service
