#include "periprox/emulated/catalog.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <string>
#include <utility>

#include "periprox/emulated/audio.hpp"
#include "periprox/emulated/camera.hpp"
#include "periprox/emulated/composite.hpp"
#include "periprox/emulated/emulated_device.hpp"
#include "periprox/emulated/go_temp.hpp"
#include "periprox/emulated/keyboard.hpp"
#include "periprox/emulated/network.hpp"
#include "periprox/emulated/pointer.hpp"
#include "periprox/emulated/serial.hpp"
#include "periprox/emulated/storage.hpp"
#include "periprox/emulated/vendor.hpp"
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

/// Reads "046d:c31c" into `identity`; leaves it alone when nothing is given.
void read_ids(SettingsReader& settings, Identity& identity) {
  const auto text = settings.text("ids");
  if (text.empty()) return;
  const auto hex16 = [&](std::string_view digits, std::uint16_t& value) {
    const auto end = digits.data() + digits.size();
    const auto [stop, failure] = std::from_chars(digits.data(), end, value, 16);
    return failure == std::errc{} && stop == end && !digits.empty();
  };
  const auto colon = std::min(text.find(':'), text.size());
  const bool sound = colon < text.size() && hex16(text.substr(0, colon), identity.idVendor) &&
                     hex16(text.substr(colon + 1), identity.idProduct);
  if (!sound) settings.reject("ids", "vendor and product in hexadecimal, such as 046d:c31c");
}

Result<std::unique_ptr<usb::Device>> create_function(const DeviceType& type,
                                                     const FunctionType& function,
                                                     SettingsReader& settings, usb::Speed speed,
                                                     const Surroundings& surroundings) {
  const auto identity =
      read_identity(settings, function.idProduct, "Emulated " + std::string(type.name));
  auto maker = function.make(settings, surroundings);
  if (settings.error()) return tl::make_unexpected(*settings.error());
  if (!maker) return forward_error(maker);
  return EmulatedDevice::create(device_of(identity, {std::move(*maker)}, speed), speed,
                                surroundings.timers);
}

/// Takes the settings with a dot in their names out of `settings`.
Settings take_dotted(Settings& settings) {
  Settings dotted;
  for (auto each = settings.begin(); each != settings.end();) {
    const auto next = std::next(each);
    if (each->first.find('.') != std::string::npos) dotted.insert(settings.extract(each));
    each = next;
  }
  return dotted;
}

}  // namespace

Identity read_identity(SettingsReader& settings, std::uint16_t idProduct, std::string product) {
  Identity identity{.idVendor = kTestVendor,
                    .idProduct = idProduct,
                    .product = std::move(product),
                    .serial_number = std::string(settings.text("serial"))};
  read_ids(settings, identity);
  return identity;
}

std::span<const DeviceType> catalog() {
  static const std::array types{audio_type(),    camera_type(), composite_type(), go_temp_type(),
                                keyboard_type(), mouse_type(),  network_type(),   serial_type(),
                                storage_type(),  tablet_type(), vendor_type(),    zero_type()};
  return types;
}

const DeviceType* find_type(std::string_view name) {
  const auto types = catalog();
  const auto type = std::ranges::find(types, name, &DeviceType::name);
  return type == types.end() ? nullptr : &*type;
}

Result<std::unique_ptr<usb::Device>> create(std::string_view name, const Settings& settings,
                                            const Surroundings& surroundings) {
  const auto* type = find_type(name);
  if (type == nullptr) {
    return fail(Error::Kind::Usage, "cannot emulate '" + std::string(name) + "'",
                "there is no such device", "these can be emulated: " + names());
  }
  const auto* composite = std::get_if<CompositeType>(&type->make);
  auto own = settings;
  const auto of_parts = composite != nullptr ? take_dotted(own) : Settings{};
  SettingsReader reader(type->name, own, type->settings);
  const auto speed = usb::parse_speed(reader.text("speed"));
  if (!speed || *speed == usb::Speed::Wireless) {
    reader.reject("speed", "low, full, high, super or super-plus");
  }
  if (reader.error()) return tl::make_unexpected(*reader.error());
  if (composite != nullptr) return composite->make(reader, of_parts, *speed, surroundings);
  if (const auto* function = std::get_if<FunctionType>(&type->make)) {
    return create_function(*type, *function, reader, *speed, surroundings);
  }
  return std::get<WholeType>(type->make).make(reader, *speed, surroundings);
}

Result<std::unique_ptr<usb::Device>> create(std::string_view name, const Settings& settings,
                                            Timers& timers) {
  return create(name, settings, Surroundings{.timers = timers});
}

}  // namespace periprox::emulated
