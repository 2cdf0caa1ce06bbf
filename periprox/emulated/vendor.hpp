// emulated:vendor: a device whose descriptors and behaviour stand in a text file.
#pragma once

#include "periprox/emulated/catalog.hpp"
#include "periprox/emulated/declaration.hpp"
#include "periprox/emulated/vendor_script.hpp"

namespace periprox::emulated {

/// The device that a script describes.
[[nodiscard]] Declaration vendor_declaration(VendorScript script, Timers& timers);

[[nodiscard]] DeviceType vendor_type();

}  // namespace periprox::emulated
