// What sysfs tells about a device that is plugged into this kernel.
//
// Only attributes that the kernel shows without the device's lock are read: while it enumerates a
// device or a driver probes it, it holds that lock and waits for answers to URBs, which this
// process has to give. (bConfigurationValue, bNumInterfaces and the strings would have to wait.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "periprox/physical/system_paths.hpp"

namespace periprox::host {

struct LocalDevice {
  std::size_t interfaces = 0;  ///< Those of the active configuration, as far as they are there.
  std::vector<std::string> drivers;  ///< One for each interface that has one.
  std::uint16_t idVendor = 0;
  std::uint16_t idProduct = 0;
};

/// All that there is now of the device with this bus id; nothing, for one that is not there.
[[nodiscard]] LocalDevice look_at_device(const physical::SystemPaths& paths,
                                         const std::string& busid);

}  // namespace periprox::host
