// What standard requests and resets change: configuration, alternate settings, halts.
#include <utility>

#include "periprox/emulated/emulated_device.hpp"

namespace periprox::emulated {

// What goes away with a configuration or a setting comes back as Linux gives it back:
// usb_hcd_flush_endpoint() unlinks with -ESHUTDOWN (drivers/usb/core/hcd.c).
constexpr usb::Status kEndpointWentAway = usb::Status::Shutdown;

void EmulatedDevice::serve_standard(std::uint8_t index) {
  const auto setup = queues_[index].front().urb->setup;
  const auto alive = self_;
  auto answer = chapter9_.answer(setup, halts());
  queues_[index].with_handler = queues_[index].front().id;
  if (std::holds_alternative<standard::Stall>(answer)) return answer_stall(index);
  if (const auto* data = std::get_if<standard::Data>(&answer)) {
    return answer_control(index, data->bytes);
  }
  const auto id = queues_[index].with_handler;
  if (const auto* configuration = std::get_if<standard::ActivateConfiguration>(&answer)) {
    activate_configuration(configuration->value);
  } else if (const auto* setting = std::get_if<standard::ActivateSetting>(&answer)) {
    activate_setting(setting->interface_number, setting->alternate);
  } else if (const auto* halt = std::get_if<standard::ChangeHalt>(&answer)) {
    change_halt(halt->endpoint, halt->halted);
  }
  // The change completed other URBs; whoever got one may have cancelled this request meanwhile.
  if (*alive != nullptr && is_with_handler(index, id)) answer_accept(index);
}

/// The port reset of usb::Device: it overtakes what waits on endpoint 0, since it happens to the
/// port and not on the pipe.
void EmulatedDevice::reset(usb::Urb urb) {
  const auto alive = self_;
  ++paused_;
  chapter9_.reset_features();
  model_.reset_alternate_settings();
  for (auto& queue : queues_) queue.start_over();
  connect_endpoints();
  flush_all(usb::Status::Cancelled);
  if (*alive == nullptr || gone_) return urb.complete(usb::Status::DeviceGone, 0);
  if (declaration_.on_reset) declaration_.on_reset();
  urb.complete(usb::Status::Ok, 0);
  if (*alive != nullptr) resume();
}

void EmulatedDevice::activate_configuration(std::uint8_t value) {
  const auto alive = self_;
  ++paused_;
  model_.set_configuration(value);
  chapter9_.reset_features();
  for (auto& queue : queues_) queue.start_over();
  connect_endpoints();
  for (std::uint8_t i = 1; i < queues_.size(); ++i) {
    flush(i, kEndpointWentAway);
    if (*alive == nullptr) return;
  }
  if (declaration_.on_configuration) declaration_.on_configuration(value);
  resume();
}

void EmulatedDevice::activate_setting(std::uint8_t interface_number, std::uint8_t alternate) {
  const auto alive = self_;
  ++paused_;
  std::array<bool, usb::kEndpointTableSize> concerned{};
  for (std::size_t i = 1; i < queues_.size(); ++i) {
    concerned[i] =
        queues_[i].endpoint != nullptr && queues_[i].interface_number == interface_number;
    if (concerned[i]) queues_[i].start_over();
  }
  model_.set_interface(interface_number, alternate);
  connect_endpoints();
  for (std::uint8_t i = 1; i < queues_.size(); ++i) {
    if (concerned[i]) flush(i, kEndpointWentAway);
    if (*alive == nullptr) return;
  }
  // Whoever got an URB back may have changed the configuration meanwhile.
  const auto* configuration = active_declaration();
  if (configuration != nullptr && interface_number < configuration->interfaces.size()) {
    const auto& told = configuration->interfaces[interface_number].on_alternate;
    if (told) told(alternate);
  }
  resume();
}

void EmulatedDevice::change_halt(usb::EndpointAddress endpoint, bool halted) {
  const auto alive = self_;
  ++paused_;
  queues_[endpoint.index()].halted = halted;
  if (halted) flush(endpoint.index(), usb::Status::Stalled);
  if (*alive != nullptr) resume();
}

std::array<bool, usb::kEndpointTableSize> EmulatedDevice::halts() const {
  std::array<bool, usb::kEndpointTableSize> halted{};
  for (std::size_t i = 0; i < queues_.size(); ++i) halted[i] = queues_[i].halted;
  return halted;
}

const Configuration* EmulatedDevice::active_declaration() const {
  for (std::size_t i = 0; i < descriptors_.configurations.size(); ++i) {
    const auto value = descriptors_.configurations[i].descriptor.bConfigurationValue;
    if (value == model_.configuration_value()) return &declaration_.configurations[i];
  }
  return nullptr;
}

/// Connects each queue with the declared endpoint that the active settings put at its address.
void EmulatedDevice::connect_endpoints() {
  for (auto& queue : queues_) queue.endpoint = nullptr;
  const auto* configuration = active_declaration();
  if (configuration == nullptr) return;
  for (std::size_t i = 0; i < configuration->interfaces.size(); ++i) {
    const auto number = static_cast<std::uint8_t>(i);
    const auto& settings = configuration->interfaces[i].settings;
    for (const auto& endpoint : settings[model_.alternate_setting(number)].endpoints) {
      auto& queue = queues_[endpoint.address.index()];
      queue.endpoint = &endpoint;
      queue.interface_number = number;
    }
  }
}

}  // namespace periprox::emulated
