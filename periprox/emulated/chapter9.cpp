#include "periprox/emulated/chapter9.hpp"

#include <algorithm>

namespace periprox::emulated {
namespace {

using standard::Answer;
using usb::DescriptorType;
using usb::Recipient;
using usb::StandardRequest;

// Feature selectors of USB 3.2, table 9-9; the older ones are in setup_packet.hpp.
constexpr std::uint16_t kFeatureFunctionSuspend = 0;
constexpr std::uint16_t kFeatureU1Enable = 48;
constexpr std::uint16_t kFeatureU2Enable = 49;

constexpr std::uint8_t kSelfPowered = 0x40;
constexpr std::uint8_t kRemoteWakeup = 0x20;
constexpr std::uint16_t kSelLength = 6;

Answer bytes(Bytes data) { return standard::Data{{data.begin(), data.end()}}; }
Answer one_byte(std::uint8_t value) { return bytes(bytes_of(value)); }
Answer status(std::uint16_t value) { return bytes(bytes_of(le16(value))); }

Answer nth(const std::vector<std::vector<std::byte>>& blocks, std::uint8_t index) {
  if (index >= blocks.size()) return standard::Stall{};
  return standard::Data{blocks[index]};
}

bool is_feature_change(const usb::SetupPacket& setup) {
  return (setup.is_standard(StandardRequest::SetFeature) ||
          setup.is_standard(StandardRequest::ClearFeature)) &&
         setup.direction() == usb::Direction::Out && setup.wLength == 0;
}

bool switches_on(const usb::SetupPacket& setup) {
  return setup.is_standard(StandardRequest::SetFeature);
}

bool asks_for_status(const usb::SetupPacket& setup) {
  return setup.is_standard(StandardRequest::GetStatus) && setup.is_in() && setup.wValue == 0;
}

}  // namespace

Answer Chapter9::answer(const usb::SetupPacket& setup, const Halted& halted) {
  switch (setup.recipient()) {
    case Recipient::Device:
      return to_device(setup);
    case Recipient::Interface:
      return to_interface(setup);
    case Recipient::Endpoint:
      return to_endpoint(setup, halted);
    case Recipient::Other:
      break;
  }
  return standard::Stall{};
}

void Chapter9::reset_features() {
  remote_wakeup_ = false;
  u1_enabled_ = false;
  u2_enabled_ = false;
}

// --- Device --------------------------------------------------------------------------------------

Answer Chapter9::to_device(const usb::SetupPacket& setup) {
  const bool is_super = usb::is_super(model_.speed());
  if (asks_for_status(setup)) return status(device_status());
  if (is_feature_change(setup)) return change_device_feature(setup.wValue, switches_on(setup));
  if (setup.is_set_address()) return standard::Acknowledge{};
  if (setup.is_standard(StandardRequest::GetDescriptor) && setup.is_in()) return descriptor(setup);
  if (setup.is_standard(StandardRequest::GetConfiguration) && setup.is_in()) {
    return one_byte(model_.configuration_value());
  }
  if (setup.is_set_configuration()) {
    const auto value = static_cast<std::uint8_t>(setup.wValue & 0xff);
    const bool known =
        value == 0 || std::ranges::any_of(descriptors_.configurations, [&](const auto& each) {
          return each.descriptor.bConfigurationValue == value;
        });
    if (!known) return standard::Stall{};
    return standard::ActivateConfiguration{value};
  }
  // The latencies are of no use to a device that never leaves U0; they are taken all the same.
  if (setup.is_standard(StandardRequest::SetSel) && is_super && !setup.is_in() &&
      setup.wLength == kSelLength) {
    return standard::Acknowledge{};
  }
  if (setup.is_standard(StandardRequest::SetIsochDelay) && is_super && setup.wLength == 0) {
    return standard::Acknowledge{};
  }
  return standard::Stall{};
}

std::uint8_t Chapter9::device_status() const {
  const auto* configuration = model_.active_configuration();
  const auto attributes = configuration ? configuration->descriptor.bmAttributes : 0;
  return static_cast<std::uint8_t>(((attributes & kSelfPowered) != 0 ? 1U : 0U) |
                                   (remote_wakeup_ ? 2U : 0U) | (u1_enabled_ ? 4U : 0U) |
                                   (u2_enabled_ ? 8U : 0U));
}

Answer Chapter9::change_device_feature(std::uint16_t feature, bool on) {
  const auto* configuration = model_.active_configuration();
  const bool is_super = usb::is_super(model_.speed());
  if (feature == usb::kFeatureDeviceRemoteWakeup && !is_super) {
    const bool can = configuration && (configuration->descriptor.bmAttributes & kRemoteWakeup) != 0;
    if (!can) return standard::Stall{};
    remote_wakeup_ = on;
    return standard::Acknowledge{};
  }
  // U1 and U2 may be switched on in the configured state only (USB 3.2, 9.4.9).
  if (is_super && configuration && feature == kFeatureU1Enable) {
    u1_enabled_ = on;
    return standard::Acknowledge{};
  }
  if (is_super && configuration && feature == kFeatureU2Enable) {
    u2_enabled_ = on;
    return standard::Acknowledge{};
  }
  return standard::Stall{};
}

Answer Chapter9::descriptor(const usb::SetupPacket& setup) const {
  const auto index = static_cast<std::uint8_t>(setup.wValue & 0xff);
  switch (static_cast<DescriptorType>(setup.wValue >> 8)) {
    case DescriptorType::Device:
      return bytes(bytes_of(descriptors_.device));
    case DescriptorType::Configuration:
      return nth(descriptors_.configuration_blocks, index);
    case DescriptorType::String:
      return string(index, setup.wIndex);
    case DescriptorType::DeviceQualifier:
      if (!descriptors_.qualifier) return standard::Stall{};
      return bytes(bytes_of(*descriptors_.qualifier));
    case DescriptorType::OtherSpeedConfiguration:
      return nth(descriptors_.other_speed_blocks, index);
    case DescriptorType::Bos:
      if (descriptors_.bos.empty()) return standard::Stall{};
      return standard::Data{descriptors_.bos};
    default:
      return standard::Stall{};
  }
}

Answer Chapter9::string(std::uint8_t index, std::uint16_t language) const {
  if (index == 0 || language == kLanguage) return nth(descriptors_.strings, index);
  const auto translated = descriptors_.translated.find(language);
  if (translated == descriptors_.translated.end()) return standard::Stall{};
  return nth(translated->second, index);
}

// --- Interface -----------------------------------------------------------------------------------

const usb::Interface* Chapter9::active_interface(std::uint16_t number) const {
  const auto* configuration = model_.active_configuration();
  if (configuration == nullptr || number > 0xff) return nullptr;
  return configuration->interface(static_cast<std::uint8_t>(number));
}

Answer Chapter9::to_interface(const usb::SetupPacket& setup) const {
  // At SuperSpeed the high byte of wIndex carries options of FUNCTION_SUSPEND (9.4.9).
  const auto number = static_cast<std::uint8_t>(setup.wIndex & 0xff);
  const auto* interface = active_interface(number);
  if (interface == nullptr) return standard::Stall{};
  if (asks_for_status(setup)) return status(0);
  if (setup.is_standard(StandardRequest::GetDescriptor) && setup.is_in()) {
    return interface_descriptor(setup);
  }
  if (setup.is_standard(StandardRequest::GetInterface) && setup.is_in()) {
    return one_byte(model_.alternate_setting(number));
  }
  if (setup.is_set_interface() && setup.wValue <= 0xff) {
    const auto alternate = static_cast<std::uint8_t>(setup.wValue);
    if (interface->alternate(alternate) == nullptr) return standard::Stall{};
    return standard::ActivateSetting{number, alternate};
  }
  if (is_feature_change(setup) && usb::is_super(model_.speed()) &&
      setup.wValue == kFeatureFunctionSuspend) {
    return standard::Acknowledge{};
  }
  return standard::Stall{};
}

/// Descriptors of a class are asked for at the interface (HID 1.11, 7.1.1): those that are served
/// apart, and those that stand in the configuration.
Answer Chapter9::interface_descriptor(const usb::SetupPacket& setup) const {
  const auto type = static_cast<std::uint8_t>(setup.wValue >> 8);
  const auto index = static_cast<std::uint8_t>(setup.wValue & 0xff);
  const auto number = static_cast<std::uint8_t>(setup.wIndex & 0xff);
  for (std::size_t i = 0; i < declaration_.configurations.size(); ++i) {
    const auto& descriptor = descriptors_.configurations[i].descriptor;
    if (descriptor.bConfigurationValue != model_.configuration_value()) continue;
    for (const auto& served : declaration_.configurations[i].interfaces[number].served) {
      if (served.type == type && served.index == index) return standard::Data{served.bytes};
    }
  }
  const auto* setting = active_interface(number)->alternate(model_.alternate_setting(number));
  if (setting == nullptr || index != 0) return standard::Stall{};
  // Class descriptors with subtypes (0x24) have no request of their own.
  if (type == static_cast<std::uint8_t>(DescriptorType::ClassInterface)) return standard::Stall{};
  for (const auto& raw : setting->extra) {
    if (raw.size() > 1 && raw[1] == static_cast<std::byte>(type)) return standard::Data{raw};
  }
  return standard::Stall{};
}

// --- Endpoint ------------------------------------------------------------------------------------

Answer Chapter9::to_endpoint(const usb::SetupPacket& setup, const Halted& halted) const {
  const auto wIndex = static_cast<std::uint16_t>(setup.wIndex);
  const usb::EndpointAddress address(static_cast<std::uint8_t>(wIndex & 0xff));
  if ((wIndex & ~0x8fU) != 0 || model_.endpoint(address) == nullptr) return standard::Stall{};
  if (asks_for_status(setup)) return status(halted[address.index()] ? 1 : 0);
  if (is_feature_change(setup) && setup.wValue == usb::kFeatureEndpointHalt) {
    // Endpoint 0 recovers by itself and isochronous endpoints cannot stall: neither is ever halted.
    if (address.number() == 0 || model_.endpoint(address)->type == usb::TransferType::Isochronous) {
      if (switches_on(setup)) return standard::Stall{};
      return standard::Acknowledge{};
    }
    return standard::ChangeHalt{address, switches_on(setup)};
  }
  return standard::Stall{};
}

}  // namespace periprox::emulated
