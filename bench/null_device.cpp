#include "bench/null_device.hpp"

#include <cstring>
#include <utility>

namespace periprox::bench {
namespace {

usb::DeviceModel make_model() {
  usb::DeviceDescriptor device;
  device.idVendor = std::uint16_t{0xf055};
  device.idProduct = std::uint16_t{0x0001};
  device.bNumConfigurations = 1;
  usb::AlternateSetting setting;
  setting.descriptor.bInterfaceClass = 0xff;
  for (const std::uint8_t address : {0x81, 0x02}) {
    usb::Endpoint endpoint;
    endpoint.descriptor.bEndpointAddress = address;
    endpoint.descriptor.bmAttributes = static_cast<std::uint8_t>(usb::TransferType::Bulk);
    endpoint.descriptor.wMaxPacketSize = std::uint16_t{512};
    setting.endpoints.push_back(endpoint);
  }
  setting.descriptor.bNumEndpoints = 2;
  usb::Configuration configuration;
  configuration.descriptor.bConfigurationValue = 1;
  configuration.descriptor.bNumInterfaces = 1;
  configuration.interfaces.push_back({.number = 0, .alternate_settings = {setting}});
  usb::DeviceModel model(usb::Speed::High, device, {configuration});
  model.set_configuration(1);
  return model;
}

}  // namespace

NullDevice::NullDevice(bool copies)
    : model_(make_model()), own_(copies ? std::size_t{1} << 20 : 0) {}

void NullDevice::submit(usb::Urb urb) {
  if (urb->is_in()) {
    if (!urb->payload) urb->payload = payloads_.allocate(urb->length);
    // Descriptors are read when a client opens the device; they must make sense.
    if (urb->type == usb::TransferType::Control) {
      std::vector<std::byte> answer;
      const auto type = static_cast<usb::DescriptorType>(urb->setup.wValue >> 8);
      if (urb->setup.is_standard(usb::StandardRequest::GetConfiguration)) {
        answer.push_back(std::byte{1});
      } else if (type == usb::DescriptorType::Device) {
        const auto bytes = bytes_of(model_.descriptor());
        answer.assign(bytes.begin(), bytes.end());
      } else {
        answer = usb::build_configuration(model_.configurations().front());
      }
      const auto size = std::min<std::size_t>(answer.size(), urb->length);
      std::memcpy(urb->payload.data(), answer.data(), size);
      urb.complete(usb::Status::Ok, static_cast<std::uint32_t>(size));
      return;
    }
  }
  const auto length = urb->length;
  if (!own_.empty() && urb->type == usb::TransferType::Bulk && length <= own_.size()) {
    if (urb->is_in()) {
      std::memcpy(urb->payload.data(), own_.data(), length);
    } else {
      std::memcpy(own_.data(), urb->payload.data(), length);
    }
  }
  urb.complete(usb::Status::Ok, length);
}

}  // namespace periprox::bench
