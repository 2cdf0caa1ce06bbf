#include "periprox/emulated/catalog.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "periprox/emulated/go_temp.hpp"
#include "periprox/emulated/zero.hpp"

namespace periprox::emulated {
namespace {

std::string names() {
  std::string text;
  for (const auto& type : catalog()) {
    if (!text.empty()) text += ", ";
    text += type.name;
  }
  return text;
}

}  // namespace

std::span<const DeviceType> catalog() {
  static const std::array types{go_temp_type(), zero_type()};
  return types;
}

Result<std::unique_ptr<usb::Device>> create(std::string_view name, const Settings& settings,
                                            Timers& timers) {
  const auto types = catalog();
  const auto type = std::ranges::find(types, name, &DeviceType::name);
  if (type == types.end()) {
    return fail(Error::Kind::Usage, "cannot emulate '" + std::string(name) + "'",
                "there is no such device", "these can be emulated: " + names());
  }
  SettingsReader reader(type->name, settings, type->settings);
  const auto speed = usb::parse_speed(reader.text("speed"));
  if (!speed || *speed == usb::Speed::Wireless) {
    reader.reject("speed", "low, full, high, super or super-plus");
  }
  if (reader.error()) return tl::make_unexpected(*reader.error());
  return type->create(reader, *speed, timers);
}

}  // namespace periprox::emulated
