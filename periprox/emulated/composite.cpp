// A function's settings have its name in front: storage.image=disk.img. The second function of a
// kind is keyboard2, and so on.
#include "periprox/emulated/composite.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "periprox/emulated/emulated_device.hpp"

namespace periprox::emulated {
namespace {

constexpr std::uint16_t kProduct = 0x0001;
constexpr std::size_t kMostFunctions = 8;
constexpr auto kSettings = with_common_settings(
    "high",
    SettingInfo{"of", "keyboard,mouse",
                "the functions, e.g. keyboard,serial,storage; their settings have their names in "
                "front: storage.image=disk.img, keyboard2.input=-"});

/// One function to be.
struct Part {
  const DeviceType* type = nullptr;
  std::string name;        ///< "keyboard2"
  Settings settings = {};  ///< Without the name.
};

std::string function_names() {
  std::string text;
  for (const auto& type : catalog()) {
    if (!std::holds_alternative<FunctionType>(type.make)) continue;
    text += (text.empty() ? "" : ", ") + std::string(type.name);
  }
  return text;
}

/// The functions that "of" lists. What is wrong is left as an error in `settings`.
std::vector<Part> parts_of(SettingsReader& settings) {
  std::vector<Part> parts;
  std::map<std::string_view, int> seen;
  auto list = settings.text("of");
  while (!list.empty()) {
    const auto word = list.substr(0, list.find(','));
    list.remove_prefix(std::min(word.size() + 1, list.size()));
    const auto* type = find_type(word);
    if (type == nullptr || !std::holds_alternative<FunctionType>(type->make)) {
      settings.reject("of", "a list of functions (" + function_names() + ")");
      return {};
    }
    const int number = ++seen[type->name];
    parts.push_back({type, std::string(word) + (number > 1 ? std::to_string(number) : "")});
  }
  if (parts.empty() || parts.size() > kMostFunctions) {
    settings.reject("of", "a list of 1 to " + std::to_string(kMostFunctions) + " functions");
  }
  return parts;
}

/// Gives each setting to the part that it names.
Result<void> hand_out(const Settings& of_parts, std::vector<Part>& parts) {
  for (const auto& [key, value] : of_parts) {
    const auto dot = key.find('.');
    const auto part = std::ranges::find(parts, key.substr(0, dot), &Part::name);
    if (part == parts.end()) {
      return fail(Error::Kind::Usage, "cannot emulate composite",
                  "'" + key + "' is a setting of no function in it");
    }
    part->settings.emplace(key.substr(dot + 1), value);
  }
  return {};
}

Result<std::unique_ptr<usb::Device>> create_composite(SettingsReader& settings,
                                                      const Settings& of_parts, usb::Speed speed,
                                                      const Surroundings& surroundings) {
  const auto identity = read_identity(settings, kProduct, "Emulated composite device");
  auto parts = parts_of(settings);
  if (settings.error()) return tl::make_unexpected(*settings.error());
  if (auto done = hand_out(of_parts, parts); !done) return forward_error(done);
  std::vector<FunctionMaker> makers;
  for (const auto& part : parts) {
    SettingsReader reader(part.name, part.settings, part.type->settings);
    if (reader.error()) return tl::make_unexpected(*reader.error());
    auto maker = std::get<FunctionType>(part.type->make).make(reader, surroundings);
    if (!maker) return forward_error(maker);
    makers.push_back(std::move(*maker));
  }
  return EmulatedDevice::create(device_of(identity, makers, speed), speed, surroundings.timers);
}

}  // namespace

DeviceType composite_type() {
  return {.name = "composite",
          .summary = "several functions in one device",
          .settings = kSettings,
          .make = CompositeType{create_composite}};
}

}  // namespace periprox::emulated
