// GET_DESCRIPTOR(string), USB 2.0 chapter 9.6.7: index 0 lists the languages, the others are texts.
#include "periprox/host/read_strings.hpp"

#include <set>

#include "periprox/usb/configuration.hpp"
#include "periprox/usb/setup_packet.hpp"

namespace periprox::host {
namespace {

constexpr std::uint16_t kLongestString = 255;

std::set<std::uint8_t> string_indices(const usb::DeviceModel& model) {
  const auto& device = model.descriptor();
  std::set<std::uint8_t> indices{device.iManufacturer, device.iProduct, device.iSerialNumber};
  for (const auto& configuration : model.configurations()) {
    indices.insert(configuration.descriptor.iConfiguration);
    for (const auto& association : configuration.associations)
      indices.insert(association.iFunction);
    for (const auto& interface : configuration.interfaces) {
      for (const auto& setting : interface.alternate_settings) {
        indices.insert(setting.descriptor.iInterface);
      }
    }
  }
  indices.erase(0);
  return indices;
}

Outcome get_string(Blocking& host, std::uint8_t index, std::uint16_t language, Duration timeout) {
  const auto setup = usb::SetupPacket::get_descriptor(
      static_cast<std::uint8_t>(usb::DescriptorType::String), index, kLongestString, language);
  return host.control(setup, {}, timeout);
}

}  // namespace

usb::StringTable read_strings(Blocking& host, Duration timeout) {
  usb::StringTable strings;
  const auto indices = string_indices(host.device().model());
  if (indices.empty()) return strings;
  const auto languages = usb::parse_language_list(get_string(host, 0, 0, timeout).data);
  if (languages.empty()) return strings;
  for (const auto index : indices) {
    const auto outcome = get_string(host, index, languages.front(), timeout);
    if (outcome.status == usb::Status::TimedOut || outcome.status == usb::Status::DeviceGone) break;
    if (outcome.status != usb::Status::Ok) continue;
    if (auto text = usb::parse_string(outcome.data)) strings[index] = std::move(*text);
  }
  return strings;
}

}  // namespace periprox::host
