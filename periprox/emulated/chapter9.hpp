// Standard requests as hardware answers them (USB 2.0, 9.4; USB 3.2, 9.4).
//
// This part only decides: it turns a setup packet into an answer or into a change that the engine
// then makes. So each rule is a plain function of the device's state.
#pragma once

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

#include "periprox/emulated/declaration.hpp"
#include "periprox/emulated/descriptor_set.hpp"
#include "periprox/usb/device_model.hpp"
#include "periprox/usb/setup_packet.hpp"

namespace periprox::emulated {

namespace standard {

/// The request is refused: request error, a protocol stall.
struct Stall {};
/// The request is acknowledged; nothing else is to be done.
struct Acknowledge {};
/// IN data; the engine cuts it at wLength.
struct Data {
  std::vector<std::byte> bytes;
};
struct ActivateConfiguration {
  std::uint8_t value = 0;
};
struct ActivateSetting {
  std::uint8_t interface_number = 0;
  std::uint8_t alternate = 0;
};
struct ChangeHalt {
  usb::EndpointAddress endpoint;
  bool halted = false;
};

using Answer =
    std::variant<Stall, Acknowledge, Data, ActivateConfiguration, ActivateSetting, ChangeHalt>;

}  // namespace standard

/// Answers the standard requests of one device; remembers the features that a host switched on.
class Chapter9 {
 public:
  /// All references outlive this.
  Chapter9(const Declaration& declaration, const DescriptorSet& descriptors,
           const usb::DeviceModel& model)
      : declaration_(declaration), descriptors_(descriptors), model_(model) {}

  /// `halted` by EndpointAddress::index().
  [[nodiscard]] standard::Answer answer(const usb::SetupPacket& setup,
                                        const std::array<bool, usb::kEndpointTableSize>& halted);

  /// Forgets remote wake-up and U1/U2, as a reset and a new configuration do.
  void reset_features();

 private:
  using Halted = std::array<bool, usb::kEndpointTableSize>;

  [[nodiscard]] standard::Answer to_device(const usb::SetupPacket& setup);
  [[nodiscard]] standard::Answer to_interface(const usb::SetupPacket& setup) const;
  [[nodiscard]] standard::Answer to_endpoint(const usb::SetupPacket& setup,
                                             const Halted& halted) const;
  [[nodiscard]] standard::Answer descriptor(const usb::SetupPacket& setup) const;
  [[nodiscard]] standard::Answer string(std::uint8_t index, std::uint16_t language) const;
  [[nodiscard]] standard::Answer interface_descriptor(const usb::SetupPacket& setup) const;
  [[nodiscard]] standard::Answer change_device_feature(std::uint16_t feature, bool on);
  [[nodiscard]] std::uint8_t device_status() const;
  [[nodiscard]] const usb::Interface* active_interface(std::uint16_t number) const;

  const Declaration& declaration_;
  const DescriptorSet& descriptors_;
  const usb::DeviceModel& model_;
  bool remote_wakeup_ = false;
  bool u1_enabled_ = false;
  bool u2_enabled_ = false;
};

}  // namespace periprox::emulated
