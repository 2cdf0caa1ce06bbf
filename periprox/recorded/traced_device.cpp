#include "periprox/recorded/traced_device.hpp"

#include <algorithm>
#include <utility>

#include "periprox/usb/configuration.hpp"

namespace periprox::recorded {
namespace {

using usb::DescriptorType;
using usb::Speed;
using usb::StandardRequest;
using usb::TransferType;

/// The slowest speed that the descriptors allow (USB 2.0, 5.5.3, 5.7.3, 5.8.3; USB 3.2, 9.6.1).
Speed guess_speed(const usb::DeviceDescriptor& descriptor,
                  const std::vector<usb::Configuration>& configurations) {
  if (descriptor.bcdUSB >= 0x0300 && descriptor.bMaxPacketSize0 == 9) return Speed::Super;
  bool is_high = false;
  bool is_full = descriptor.bMaxPacketSize0 != 8;
  for (const auto& configuration : configurations) {
    for (const auto& interface : configuration.interfaces) {
      for (const auto& setting : interface.alternate_settings) {
        for (const auto& endpoint : setting.endpoints) {
          const auto size = endpoint.max_packet_size();
          const bool is_interrupt = endpoint.type() == TransferType::Interrupt;
          if (!is_interrupt || size > 8) is_full = true;
          if (endpoint.type() == TransferType::Bulk && size == 512) is_high = true;
          if (is_interrupt && size > 64) is_high = true;
        }
      }
    }
  }
  if (is_high) return Speed::High;
  return is_full ? Speed::Full : Speed::Low;
}

std::string string_at(const usb::StringTable& strings, std::uint8_t index) {
  const auto found = strings.find(index);
  return found == strings.end() ? std::string() : found->second;
}

}  // namespace

bool TracedDevice::learn(const TracedTransfer& transfer) {
  if (transfer.type != TransferType::Control || !transfer.setup) return false;
  if (transfer.status != usb::Status::Ok) return false;
  const auto& setup = *transfer.setup;
  if (setup.is_standard(StandardRequest::GetDescriptor)) return learn_descriptor(transfer);
  if (!model_) return false;
  if (setup.is_set_configuration())
    model_->set_configuration(static_cast<std::uint8_t>(setup.wValue));
  if (setup.is_set_interface()) {
    model_->set_interface(static_cast<std::uint8_t>(setup.wIndex),
                          static_cast<std::uint8_t>(setup.wValue));
  }
  if (setup.is_port_reset()) model_->reset_alternate_settings();
  return false;
}

bool TracedDevice::learn_descriptor(const TracedTransfer& transfer) {
  const auto& setup = *transfer.setup;
  const auto index = static_cast<std::uint8_t>(setup.wValue & 0xff);
  const auto is_new = [](auto& place, const auto& value) {
    const bool differs = place != value;
    place = value;
    return differs;
  };
  // Only what is there in full: hosts read the first bytes of a descriptor before the whole.
  switch (static_cast<DescriptorType>(setup.wValue >> 8)) {
    case DescriptorType::Device: {
      const auto descriptor = read_as<usb::DeviceDescriptor>(transfer.data);
      if (!descriptor || descriptor->bLength < sizeof(*descriptor)) return false;
      if (descriptor_ == descriptor) return false;
      descriptor_ = descriptor;
      break;
    }
    case DescriptorType::Configuration: {
      const auto head = read_as<usb::ConfigurationDescriptor>(transfer.data);
      if (!head || transfer.data.size() < head->wTotalLength) return false;
      if (!is_new(configurations_[index], transfer.data)) return false;
      break;
    }
    case DescriptorType::Bos: {
      const auto head = read_as<usb::BosDescriptor>(transfer.data);
      if (!head || transfer.data.size() < head->wTotalLength) return false;
      if (!is_new(bos_, transfer.data)) return false;
      break;
    }
    case DescriptorType::String: {
      const auto text = index == 0 ? std::nullopt : usb::parse_string(transfer.data);
      const auto length =
          transfer.data.empty() ? 0 : std::to_integer<std::size_t>(transfer.data[0]);
      if (!text || length > transfer.data.size()) return false;
      if (!is_new(strings_[index], *text)) return false;
      break;
    }
    case DescriptorType::HidReport:
      return is_new(report_descriptors_[static_cast<std::uint8_t>(setup.wIndex)], transfer.data);
    default:
      return false;
  }
  build_model();
  return true;
}

void TracedDevice::set_speed(usb::Speed speed) {
  speed_ = speed;
  build_model();
}

void TracedDevice::build_model() {
  if (!descriptor_) return;
  std::vector<usb::Configuration> configurations;
  for (const auto& [index, bytes] : configurations_) {
    if (auto parsed = usb::parse_configuration(bytes))
      configurations.push_back(std::move(parsed->configuration));
  }
  const auto speed = speed_ ? *speed_ : guess_speed(*descriptor_, configurations);
  usb::DeviceModel model(speed, *descriptor_, std::move(configurations));
  model.manufacturer = string_at(strings_, descriptor_->iManufacturer);
  model.product = string_at(strings_, descriptor_->iProduct);
  model.serial_number = string_at(strings_, descriptor_->iSerialNumber);
  model.bos = bos_;
  if (model_) {
    model.set_configuration(model_->configuration_value());
    if (const auto* active = model.active_configuration()) {
      for (const auto& interface : active->interfaces)
        model.set_interface(interface.number, model_->alternate_setting(interface.number));
    }
  }
  model_ = std::move(model);
}

std::uint8_t TracedDevice::interface_of(usb::EndpointAddress endpoint) const {
  const auto* info = model_ ? model_->endpoint(endpoint) : nullptr;
  return info == nullptr ? 0 : info->interface_number;
}

usb::ClassCode TracedDevice::class_of_interface(std::uint8_t number) const {
  const auto* configuration = model_ ? model_->active_configuration() : nullptr;
  // A capture may lack SET_CONFIGURATION; nearly every device has one configuration.
  if (configuration == nullptr && model_ && !model_->configurations().empty())
    configuration = &model_->configurations().front();
  const auto* interface = configuration ? configuration->interface(number) : nullptr;
  if (interface == nullptr || interface->alternate_settings.empty()) return {};
  const auto* setting = interface->alternate(model_->alternate_setting(number));
  return (setting ? *setting : interface->alternate_settings.front()).descriptor.class_code();
}

usb::ClassCode TracedDevice::class_of(usb::EndpointAddress endpoint) const {
  if (endpoint.number() == 0) return descriptor_ ? descriptor_->class_code() : usb::ClassCode{};
  const auto* info = model_ ? model_->endpoint(endpoint) : nullptr;
  return info == nullptr ? usb::ClassCode{} : class_of_interface(info->interface_number);
}

usb::ClassCode TracedDevice::class_of(const usb::SetupPacket& setup) const {
  switch (setup.recipient()) {
    case usb::Recipient::Interface:
      return class_of_interface(static_cast<std::uint8_t>(setup.wIndex));
    case usb::Recipient::Endpoint:
      return class_of(usb::EndpointAddress(static_cast<std::uint8_t>(setup.wIndex)));
    default:
      return class_of(usb::EndpointAddress());
  }
}

Bytes TracedDevice::report_descriptor(std::uint8_t interface_number) const {
  const auto found = report_descriptors_.find(interface_number);
  return found == report_descriptors_.end() ? Bytes{} : Bytes(found->second);
}

}  // namespace periprox::recorded
