#include "periprox/check/client_device.hpp"

#include <algorithm>
#include <array>

#include "periprox/usb/descriptors.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file
using usb::TransferType;

namespace {

// A boot keyboard (HID 1.11, appendix B.1), without its LEDs.
constexpr std::array<std::uint8_t, 45> kReportDescriptor = {
    0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, 0x25,
    0x01, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02, 0x95, 0x01, 0x75, 0x08, 0x81, 0x03, 0x95, 0x06,
    0x75, 0x08, 0x15, 0x00, 0x25, 0x65, 0x05, 0x07, 0x19, 0x00, 0x29, 0x65, 0x81, 0x00, 0xc0};
constexpr std::uint8_t kHidReport = 0x22;
constexpr std::uint8_t kHidDescriptor = 0x21;

std::vector<std::byte> copy_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

usb::Endpoint endpoint(std::uint8_t address, TransferType type, std::uint16_t size,
                       std::uint8_t interval) {
  return {.descriptor = {.bEndpointAddress = address,
                         .bmAttributes = static_cast<std::uint8_t>(type),
                         .wMaxPacketSize = size,
                         .bInterval = interval}};
}

usb::Configuration make_configuration() {
  usb::AlternateSetting keyboard;
  keyboard.descriptor.bInterfaceClass = 3;
  keyboard.descriptor.bInterfaceSubClass = 1;
  keyboard.descriptor.bInterfaceProtocol = 1;
  keyboard.extra = {{std::byte{9}, std::byte{kHidDescriptor}, std::byte{0x11}, std::byte{0x01},
                     std::byte{0}, std::byte{1}, std::byte{kHidReport},
                     std::byte{kReportDescriptor.size()}, std::byte{0}}};
  keyboard.endpoints = {endpoint(0x81, TransferType::Interrupt, 8, 7)};

  usb::AlternateSetting bulk;
  bulk.descriptor.bInterfaceNumber = 1;
  bulk.descriptor.bInterfaceClass = 0xff;
  bulk.endpoints = {endpoint(0x82, TransferType::Bulk, 512, 0),
                    endpoint(0x02, TransferType::Bulk, 512, 0)};
  auto iso = bulk;
  iso.descriptor.bAlternateSetting = 1;
  iso.endpoints.push_back(endpoint(0x83, TransferType::Isochronous, 512, 1));
  iso.endpoints.push_back(endpoint(0x03, TransferType::Isochronous, 512, 1));

  usb::Configuration configuration;
  configuration.descriptor.bConfigurationValue = 1;
  configuration.interfaces = {{.number = 0, .alternate_settings = {keyboard}},
                              {.number = 1, .alternate_settings = {bulk, iso}}};
  return configuration;
}

std::optional<std::vector<std::byte>> descriptor(const usb::SetupPacket& setup) {
  const auto type = static_cast<std::uint8_t>(setup.wValue >> 8);
  const auto index = static_cast<std::uint8_t>(setup.wValue & 0xff);
  if (type == kHidReport) return copy_of(std::as_bytes(std::span(kReportDescriptor)));
  switch (static_cast<usb::DescriptorType>(type)) {
    case usb::DescriptorType::Device:
      return copy_of(bytes_of(usb::DeviceDescriptor{.idVendor = std::uint16_t{0x1209},
                                                    .idProduct = std::uint16_t{0x0001},
                                                    .iManufacturer = 1,
                                                    .iProduct = 2,
                                                    .iSerialNumber = 3,
                                                    .bNumConfigurations = 1}));
    case usb::DescriptorType::Configuration:
      if (index != 0) return std::nullopt;
      return usb::build_configuration(client_configuration());
    case usb::DescriptorType::String:
      if (index == 0) return usb::build_language_list(std::array<std::uint16_t, 1>{0x0409});
      if (index > 3) return std::nullopt;
      return usb::build_string(index == 1 ? "PeriProx" : index == 2 ? "Client check" : "1");
    default:
      return std::nullopt;
  }
}

}  // namespace

const usb::Configuration& client_configuration() {
  static const auto configuration = make_configuration();
  return configuration;
}

const DeviceRecord& client_record() {
  static const DeviceRecord record{.path = make_name<256>("/check/1-1"),
                                   .busid = make_name<kBusIdSize>("1-1"),
                                   .busnum = 1U,
                                   .devnum = 2U,
                                   .speed = 3U,
                                   .idVendor = std::uint16_t{0x1209},
                                   .idProduct = std::uint16_t{0x0001},
                                   .bConfigurationValue = 1,
                                   .bNumConfigurations = 1,
                                   .bNumInterfaces = 2};
  return record;
}

std::uint32_t client_devid() { return client_record().busnum << 16 | client_record().devnum; }

std::optional<std::vector<std::byte>> client_control(const usb::SetupPacket& setup) {
  using usb::StandardRequest;
  std::optional<std::vector<std::byte>> data = std::vector<std::byte>();
  if (setup.is_standard(StandardRequest::GetDescriptor)) {
    data = descriptor(setup);
  } else if (setup.is_standard(StandardRequest::GetConfiguration) ||
             setup.is_standard(StandardRequest::GetInterface)) {
    data->resize(1);
  } else if (setup.is_standard(StandardRequest::GetStatus)) {
    data->resize(2);
  } else if (setup.is_in()) {
    return std::nullopt;
  }
  // Whatever is set is taken: SET_CONFIGURATION, SET_INTERFACE, SET_IDLE, LEDs.
  if (data && setup.is_in()) data->resize(std::min<std::size_t>(data->size(), setup.wLength));
  return data;
}

}  // namespace periprox::check
