// Microsoft OS 2.0 descriptors: how a device tells Windows which driver its functions want, so that
// one without a class (WinUSB) needs no .inf file. Microsoft OS 2.0 Descriptors Specification,
// 2018.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "periprox/emulated/declaration.hpp"

namespace periprox::emulated {

/// What Windows is told about one function.
struct MicrosoftFunction {
  std::uint8_t first_interface = 0;
  std::string compatible_id = "WINUSB";  ///< At most 8 characters.
  /// The DeviceInterfaceGUIDs value under which programs find it, "{xxxxxxxx-xxxx-...}"; empty =
  /// none.
  std::string device_interface_guid = {};
};

struct MicrosoftOs20 {
  std::uint8_t vendor_code = 0x20;  ///< bRequest with which Windows asks for the descriptor set.
  std::vector<MicrosoftFunction> functions = {};
};

/// Adds the platform capability to the BOS of `device`, and the request that answers with the
/// descriptor set, which counts for its first configuration.
void add_microsoft_os_20(Declaration& device, const MicrosoftOs20& options);

}  // namespace periprox::emulated
