// What a capture reveals of one device: its descriptors, as the host read them, and which settings
// are active.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "periprox/recorded/traced_transfer.hpp"
#include "periprox/usb/describe.hpp"
#include "periprox/usb/device_model.hpp"

namespace periprox::recorded {

/// Learns from transfers, in their order. A value.
class TracedDevice final {
 public:
  /// True when it taught something new about the descriptors.
  bool learn(const TracedTransfer& transfer);

  /// The model, once a device descriptor was seen; its settings are those that are active now.
  [[nodiscard]] const usb::DeviceModel* model() const { return model_ ? &*model_ : nullptr; }
  /// Says how fast the device is, instead of guessing it from its descriptors.
  void set_speed(usb::Speed speed);
  [[nodiscard]] const usb::StringTable& strings() const { return strings_; }
  /// The class of the interface that an endpoint belongs to; that of the device for endpoint 0.
  [[nodiscard]] usb::ClassCode class_of(usb::EndpointAddress endpoint) const;
  /// The class that a control request is about.
  [[nodiscard]] usb::ClassCode class_of(const usb::SetupPacket& setup) const;
  /// The HID report descriptor of an interface; empty when it was not read.
  [[nodiscard]] Bytes report_descriptor(std::uint8_t interface_number) const;
  /// The interface that an endpoint belongs to.
  [[nodiscard]] std::uint8_t interface_of(usb::EndpointAddress endpoint) const;

 private:
  bool learn_descriptor(const TracedTransfer& transfer);
  void build_model();
  [[nodiscard]] usb::ClassCode class_of_interface(std::uint8_t number) const;

  std::optional<usb::Speed> speed_;
  std::optional<usb::DeviceDescriptor> descriptor_;
  std::map<std::uint8_t, std::vector<std::byte>> configurations_;
  std::vector<std::byte> bos_;
  usb::StringTable strings_;
  std::map<std::uint8_t, std::vector<std::byte>> report_descriptors_;
  std::optional<usb::DeviceModel> model_;
};

}  // namespace periprox::recorded
