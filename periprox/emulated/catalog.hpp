// Every kind of device that can be emulated, by name: what "emulated:NAME?key=value" chooses from.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/emulated/settings.hpp"
#include "periprox/usb/device.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox::emulated {

/// One kind of emulated device.
struct DeviceType {
  std::string_view name;
  std::string_view summary;  ///< One line, for a list.
  /// Everything it can be told, with "speed" and "serial" among them.
  std::span<const SettingInfo> settings;
  /// Creates one. The settings are known ones, the speed is read already.
  Result<std::unique_ptr<usb::Device>> (*create)(SettingsReader& settings, usb::Speed speed,
                                                 Timers& timers);
};

/// All of them, by name.
[[nodiscard]] std::span<const DeviceType> catalog();

/// Creates the device `name`. Fails with Usage for an unknown name or setting or a value that makes
/// no sense; the message says what would. `timers` outlives the device.
[[nodiscard]] Result<std::unique_ptr<usb::Device>> create(std::string_view name,
                                                          const Settings& settings, Timers& timers);

}  // namespace periprox::emulated
