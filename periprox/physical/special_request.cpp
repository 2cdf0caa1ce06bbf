// drivers/usb/core/devio.c: proc_setintf(), proc_setconfig(), proc_resetdevice().
#include "periprox/physical/special_request.hpp"

#include <cerrno>

namespace periprox::physical {
namespace {

std::uint8_t low_byte(std::uint16_t value) { return static_cast<std::uint8_t>(value & 0xff); }

const usb::Configuration* find_configuration(const usb::DeviceModel& model, std::uint8_t value) {
  for (const auto& configuration : model.configurations()) {
    if (configuration.descriptor.bConfigurationValue == value) return &configuration;
  }
  return nullptr;
}

bool has_alternate(const usb::DeviceModel& model, std::uint8_t number, std::uint8_t alternate) {
  const auto* configuration = model.active_configuration();
  if (configuration == nullptr) return false;
  const auto* interface = configuration->interface(number);
  return interface != nullptr && interface->alternate(alternate) != nullptr;
}

}  // namespace

SpecialRequest classify_request(const usb::SetupPacket& setup) {
  if (setup.is_set_address()) return SpecialRequest::SetAddress;
  if (setup.is_set_configuration()) return SpecialRequest::SetConfiguration;
  if (setup.is_set_interface()) return SpecialRequest::SetInterface;
  if (setup.is_port_reset()) return SpecialRequest::PortReset;
  return SpecialRequest::None;
}

bool clears_halt(const usb::SetupPacket& setup) {
  return setup.is_clear_halt() && (setup.wIndex & 0x0f) != 0;
}

bool request_makes_sense(SpecialRequest request, const usb::SetupPacket& setup,
                         const usb::DeviceModel& model) {
  switch (request) {
    case SpecialRequest::SetInterface:
      return has_alternate(model, low_byte(setup.wIndex), low_byte(setup.wValue));
    case SpecialRequest::SetConfiguration:
      return setup.wValue == 0 || find_configuration(model, low_byte(setup.wValue)) != nullptr;
    default:
      return true;
  }
}

std::vector<std::uint8_t> interfaces_of(const usb::DeviceModel& model,
                                        std::uint8_t configuration_value) {
  std::vector<std::uint8_t> numbers;
  const auto* configuration = find_configuration(model, configuration_value);
  if (configuration == nullptr) return numbers;
  for (const auto& interface : configuration->interfaces) numbers.push_back(interface.number);
  return numbers;
}

RequestOutcome perform_request(SpecialRequest request, const usb::SetupPacket& setup,
                               const usb::DeviceModel& model, Usbfs& usbfs, Claim& claim) {
  RequestOutcome outcome;
  switch (request) {
    case SpecialRequest::SetInterface:
      outcome.error = usbfs.set_interface(low_byte(setup.wIndex), low_byte(setup.wValue));
      break;
    case SpecialRequest::SetConfiguration: {
      const auto value = low_byte(setup.wValue);
      // EBUSY while anything is claimed, even by the one who asks.
      claim.release_interfaces();
      outcome.error = usbfs.set_configuration(value);
      if (outcome.error == 0) claim.note_configuration(value);
      const auto active = outcome.error == 0 ? value : model.configuration_value();
      outcome.claim_error = claim.claim_interfaces(interfaces_of(model, active));
      break;
    }
    case SpecialRequest::PortReset:
      // The kernel unbinds what has no pre_reset(), which is what the claims of usbfs are.
      outcome.error = usbfs.reset();
      if (outcome.error == ENODEV) break;
      outcome.claim_error =
          claim.claim_interfaces(interfaces_of(model, model.configuration_value()));
      break;
    case SpecialRequest::SetAddress:
    case SpecialRequest::None:
      break;
  }
  return outcome;
}

void note_request(SpecialRequest request, const usb::SetupPacket& setup,
                  const RequestOutcome& outcome, usb::DeviceModel& model) {
  switch (request) {
    case SpecialRequest::SetInterface:
      if (outcome.error == 0) model.set_interface(low_byte(setup.wIndex), low_byte(setup.wValue));
      break;
    case SpecialRequest::SetConfiguration:
      if (outcome.error == 0) model.set_configuration(low_byte(setup.wValue));
      // usb_set_configuration() leaves a device that refuses without any configuration.
      if (outcome.error != 0 && outcome.claim_error != 0) model.set_configuration(0);
      break;
    case SpecialRequest::PortReset:
      model.reset_alternate_settings();
      break;
    default:
      break;
  }
}

}  // namespace periprox::physical
