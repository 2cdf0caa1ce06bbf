// What is known about a device: its descriptors, and which configuration and alternate settings are
// active now. Sessions ask it what kind of endpoint an address is; devices keep it up to date.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "periprox/usb/configuration.hpp"
#include "periprox/usb/descriptors.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox::usb {

/// What the data path needs to know about one endpoint; a plain value, found without searching.
struct EndpointInfo {
  TransferType type = TransferType::Control;
  std::uint16_t max_packet_size = 0;     ///< Bytes in one packet.
  std::uint32_t bytes_per_interval = 0;  ///< Most bytes in one (micro)frame.
  std::uint32_t interval = 0;            ///< (Micro)frames; 0 for control and bulk.
  std::uint8_t interface_number = 0;
};

/// A device's descriptors and its active settings. A value; not thread-safe.
class DeviceModel {
 public:
  DeviceModel() = default;
  DeviceModel(Speed speed, DeviceDescriptor descriptor, std::vector<Configuration> configurations);

  [[nodiscard]] Speed speed() const { return speed_; }
  [[nodiscard]] const DeviceDescriptor& descriptor() const { return descriptor_; }
  [[nodiscard]] const std::vector<Configuration>& configurations() const { return configurations_; }

  /// Names for people, UTF-8; empty when the device has none or they were not read.
  std::string manufacturer;
  std::string product;
  std::string serial_number;
  /// The BOS block as the device gives it; empty when it has none.
  std::vector<std::byte> bos;

  /// bConfigurationValue of the active configuration; 0 when the device is not configured.
  [[nodiscard]] std::uint8_t configuration_value() const { return configuration_value_; }
  /// The active configuration; null when the device is not configured.
  [[nodiscard]] const Configuration* active_configuration() const;
  /// The active alternate setting of an interface; 0 for an interface that is not there.
  [[nodiscard]] std::uint8_t alternate_setting(std::uint8_t interface_number) const;
  /// The classes of the active configuration's interfaces, each in its first alternate setting,
  /// as USB/IP lists them; empty when not configured.
  [[nodiscard]] std::vector<ClassCode> interface_classes() const;

  /// The endpoint behind an address in the active settings; null when there is none. Endpoint 0
  /// always exists, in both directions. The pointer is valid until the settings change.
  [[nodiscard]] const EndpointInfo* endpoint(EndpointAddress address) const {
    const auto& place = active_[address.index()];
    return place ? &*place : nullptr;
  }
  /// The transfer type of an address in whichever setting of the active configuration has it
  /// (settings change while URBs are on the way); empty when none does.
  [[nodiscard]] std::optional<TransferType> type_in_any_setting(EndpointAddress address) const;

  /// Makes a configuration active, all its interfaces in setting 0; 0 unconfigures. False, and
  /// nothing changed, when there is no such configuration.
  bool set_configuration(std::uint8_t value);
  /// Makes an alternate setting active; false, and nothing changed, when there is no such setting.
  bool set_interface(std::uint8_t number, std::uint8_t alternate);
  /// Puts every interface back to setting 0, as a reset does.
  void reset_alternate_settings();

 private:
  void index_endpoints();

  Speed speed_ = Speed::High;
  DeviceDescriptor descriptor_;
  std::vector<Configuration> configurations_;
  std::uint8_t configuration_value_ = 0;
  std::map<std::uint8_t, std::uint8_t> alternates_;  // Only those that are not 0.
  std::array<std::optional<EndpointInfo>, kEndpointTableSize> active_{};
};

}  // namespace periprox::usb
