// Opens a device that is plugged into this machine: the one place where service meets real
// hardware.
#pragma once

#include <functional>
#include <string_view>

#include "periprox/base/result.hpp"
#include "periprox/physical/blocking_pool.hpp"
#include "periprox/physical/locator.hpp"
#include "periprox/service/opened_device.hpp"

namespace periprox {
class Loop;
}

namespace periprox::service {

/// Finds the device, takes it from the kernel's drivers (unless it is only looked at) and opens it.
/// `pool` outlives the device, `loop` outlives both. `advise` is told, on the loop or a thread of
/// the pool, what a person could do. `done` is called once, on the loop, never from within this
/// call.
void open_physical(Loop& loop, physical::BlockingPool& pool, const physical::Locator& locator,
                   Use use, std::function<void(std::string_view advice)> advise,
                   std::function<void(Result<OpenedDevice>)> done);

}  // namespace periprox::service
