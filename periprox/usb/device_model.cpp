// The table of active endpoints is rebuilt whenever the settings change, so that the data path
// finds an endpoint with one look.
#include "periprox/usb/device_model.hpp"

#include <algorithm>
#include <utility>

namespace periprox::usb {
namespace {

constexpr std::uint16_t kSmallestControlPacket = 8;
constexpr std::uint16_t kSuperSpeedControlPacket = 512;

/// Packet size of endpoint 0: bMaxPacketSize0 is an exponent at SuperSpeed, where only 512 is
/// allowed (USB 3.2, 9.6.1).
std::uint16_t control_packet_size(Speed speed, const DeviceDescriptor& descriptor) {
  if (is_super(speed)) return kSuperSpeedControlPacket;
  return std::max<std::uint16_t>(descriptor.bMaxPacketSize0, kSmallestControlPacket);
}

EndpointInfo control_endpoint(std::uint16_t packet_size) {
  return {.type = TransferType::Control,
          .max_packet_size = packet_size,
          .bytes_per_interval = packet_size,
          .interval = 0,
          .interface_number = 0};
}

EndpointInfo endpoint_info(const Endpoint& endpoint, Speed speed, std::uint8_t interface_number) {
  return {.type = endpoint.type(),
          .max_packet_size = static_cast<std::uint16_t>(endpoint.max_packet_size()),
          .bytes_per_interval = endpoint.bytes_per_interval(speed),
          .interval = endpoint.interval(speed),
          .interface_number = interface_number};
}

/// The setting `value`, or the first when a device has no such setting (as Linux takes it); null
/// only for an interface without any setting.
const AlternateSetting* setting_or_first(const Interface& interface, std::uint8_t value) {
  if (const auto* setting = interface.alternate(value)) return setting;
  return interface.alternate_settings.empty() ? nullptr : &interface.alternate_settings.front();
}

}  // namespace

DeviceModel::DeviceModel(Speed speed, DeviceDescriptor descriptor,
                         std::vector<Configuration> configurations)
    : speed_(speed), descriptor_(descriptor), configurations_(std::move(configurations)) {
  index_endpoints();
}

const Configuration* DeviceModel::active_configuration() const {
  if (configuration_value_ == 0) return nullptr;
  for (const auto& configuration : configurations_) {
    if (configuration.descriptor.bConfigurationValue == configuration_value_) return &configuration;
  }
  return nullptr;
}

std::uint8_t DeviceModel::alternate_setting(std::uint8_t interface_number) const {
  const auto* configuration = active_configuration();
  const auto* interface = configuration ? configuration->interface(interface_number) : nullptr;
  if (interface == nullptr) return 0;
  const auto chosen = alternates_.find(interface_number);
  const auto* setting =
      setting_or_first(*interface, chosen == alternates_.end() ? 0 : chosen->second);
  return setting ? setting->descriptor.bAlternateSetting : 0;
}

std::vector<ClassCode> DeviceModel::interface_classes() const {
  std::vector<ClassCode> classes;
  const auto* configuration = active_configuration();
  if (configuration == nullptr) return classes;
  for (const auto& interface : configuration->interfaces) {
    const auto& settings = interface.alternate_settings;
    classes.push_back(settings.empty() ? ClassCode{} : settings.front().descriptor.class_code());
  }
  return classes;
}

std::optional<TransferType> DeviceModel::type_in_any_setting(EndpointAddress address) const {
  if (const auto* active = endpoint(address)) return active->type;
  const auto* configuration = active_configuration();
  if (configuration == nullptr) return std::nullopt;
  for (const auto& interface : configuration->interfaces) {
    for (const auto& setting : interface.alternate_settings) {
      for (const auto& candidate : setting.endpoints) {
        if (candidate.address() == address) return candidate.type();
      }
    }
  }
  return std::nullopt;
}

bool DeviceModel::set_configuration(std::uint8_t value) {
  const auto has_value = [value](const Configuration& configuration) {
    return configuration.descriptor.bConfigurationValue == value;
  };
  if (value != 0 && std::ranges::none_of(configurations_, has_value)) return false;
  configuration_value_ = value;
  reset_alternate_settings();
  return true;
}

bool DeviceModel::set_interface(std::uint8_t number, std::uint8_t alternate) {
  const auto* configuration = active_configuration();
  const auto* interface = configuration ? configuration->interface(number) : nullptr;
  if (interface == nullptr || interface->alternate(alternate) == nullptr) return false;
  if (alternate == 0) {
    alternates_.erase(number);
  } else {
    alternates_[number] = alternate;
  }
  index_endpoints();
  return true;
}

void DeviceModel::reset_alternate_settings() {
  alternates_.clear();
  index_endpoints();
}

void DeviceModel::index_endpoints() {
  active_.fill(std::nullopt);
  const auto control = control_endpoint(control_packet_size(speed_, descriptor_));
  active_[EndpointAddress(0, Direction::Out).index()] = control;
  active_[EndpointAddress(0, Direction::In).index()] = control;
  const auto* configuration = active_configuration();
  if (configuration == nullptr) return;
  for (const auto& interface : configuration->interfaces) {
    const auto* setting = interface.alternate(alternate_setting(interface.number));
    if (setting == nullptr) continue;
    for (const auto& endpoint : setting->endpoints) {
      // An address that is used twice belongs to the first; endpoint 0 is nobody's.
      auto& place = active_[endpoint.address().index()];
      if (!place) place = endpoint_info(endpoint, speed_, interface.number);
    }
  }
}

}  // namespace periprox::usb
