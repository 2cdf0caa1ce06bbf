// What the service lends to emulated devices: its loop, streams, threads for what blocks, the log.
#pragma once

#include <functional>
#include <string>

#include "periprox/emulated/surroundings.hpp"

namespace periprox {
class Loop;
}
namespace periprox::physical {
class BlockingPool;
}

namespace periprox::service {

/// `loop` and `pool` outlive the devices that this is lent to.
[[nodiscard]] emulated::Surroundings lend_surroundings(
    Loop& loop, physical::BlockingPool& pool, std::function<void(const std::string&)> note);

}  // namespace periprox::service
