// emulated:composite?of=keyboard,serial,storage: several functions in one device.
#pragma once

#include "periprox/emulated/catalog.hpp"

namespace periprox::emulated {

[[nodiscard]] DeviceType composite_type();

}  // namespace periprox::emulated
