// Every kind of device that can be emulated, by name: what "emulated:NAME?key=value" chooses from.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <variant>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/emulated/function.hpp"
#include "periprox/emulated/settings.hpp"
#include "periprox/emulated/surroundings.hpp"
#include "periprox/usb/device.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox::emulated {

/// A kind of device that is more than its functions.
struct WholeType {
  /// Creates one. The settings are known ones, the speed is read already.
  Result<std::unique_ptr<usb::Device>> (*make)(SettingsReader& settings, usb::Speed speed,
                                               const Surroundings& surroundings);
};

/// A function, which is a device alone or a part of a composite one.
struct FunctionType {
  std::uint16_t idProduct = 0;  ///< Of the device that it is alone; idVendor is kTestVendor.
  Result<FunctionMaker> (*make)(SettingsReader& settings, const Surroundings& surroundings);
};

/// A device of several functions. `of_parts` are the settings with a dot in their names.
struct CompositeType {
  Result<std::unique_ptr<usb::Device>> (*make)(SettingsReader& settings, const Settings& of_parts,
                                               usb::Speed speed, const Surroundings& surroundings);
};

/// One kind of emulated device.
struct DeviceType {
  std::string_view name;
  std::string_view summary;  ///< One line, for a list.
  /// Everything it can be told, with "speed" and "serial" among them.
  std::span<const SettingInfo> settings;
  std::variant<WholeType, FunctionType, CompositeType> make;
};

/// pid.codes, whose product ids 0x0001 to 0x0010 are for tests.
inline constexpr std::uint16_t kTestVendor = 0x1209;

/// The settings that every function has as a device of its own, and then its own ones.
template <typename... Own>
[[nodiscard]] constexpr auto with_common_settings(std::string_view speed, Own... own) {
  return std::array{
      SettingInfo{"speed", speed, "full, high, super or super-plus"},
      SettingInfo{"serial", "", "serial number"},
      SettingInfo{"ids", "", "vendor and product in hexadecimal, such as 046d:c31c"},
      own...,
  };
}

/// The identity that the common settings describe; what is wrong is left as an error in `settings`.
[[nodiscard]] Identity read_identity(SettingsReader& settings, std::uint16_t idProduct,
                                     std::string product);

/// All of them, by name.
[[nodiscard]] std::span<const DeviceType> catalog();
/// The one of that name; null when there is none.
[[nodiscard]] const DeviceType* find_type(std::string_view name);

/// Creates the device `name`. Fails with Usage for an unknown name or setting or a value that makes
/// no sense; the message says what would. What the surroundings refer to outlives the device.
[[nodiscard]] Result<std::unique_ptr<usb::Device>> create(std::string_view name,
                                                          const Settings& settings,
                                                          const Surroundings& surroundings);
/// The same without streams and notes.
[[nodiscard]] Result<std::unique_ptr<usb::Device>> create(std::string_view name,
                                                          const Settings& settings, Timers& timers);

}  // namespace periprox::emulated
