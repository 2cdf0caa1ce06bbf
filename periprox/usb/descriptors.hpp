// Descriptors as they lie in memory: structs that mirror the standard byte for byte.
// USB 2.0 chapter 9.6, USB 3.2 chapter 9.6, HID 1.11 chapter 6.2.
#pragma once

#include <cstdint>

#include "periprox/base/endian.hpp"
#include "periprox/usb/endpoint_address.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::usb {

/// bDescriptorType.
enum class DescriptorType : std::uint8_t {
  Device = 0x01,
  Configuration = 0x02,
  String = 0x03,
  Interface = 0x04,
  Endpoint = 0x05,
  DeviceQualifier = 0x06,
  OtherSpeedConfiguration = 0x07,
  InterfacePower = 0x08,
  Otg = 0x09,
  Debug = 0x0a,
  InterfaceAssociation = 0x0b,
  Bos = 0x0f,
  DeviceCapability = 0x10,
  Hid = 0x21,
  HidReport = 0x22,
  HidPhysical = 0x23,
  ClassInterface = 0x24,
  ClassEndpoint = 0x25,
  SuperSpeedHub = 0x2a,
  SsEndpointCompanion = 0x30,
  SspIsoEndpointCompanion = 0x31,
};

/// The two bytes every descriptor starts with.
struct DescriptorHeader {
  std::uint8_t bLength = 0;
  std::uint8_t bDescriptorType = 0;
};

/// Class, subclass and protocol, of a device or an interface.
struct ClassCode {
  std::uint8_t code = 0;
  std::uint8_t subclass = 0;
  std::uint8_t protocol = 0;
  friend bool operator==(const ClassCode&, const ClassCode&) = default;
};

struct DeviceDescriptor {
  std::uint8_t bLength = 18;
  std::uint8_t bDescriptorType = static_cast<std::uint8_t>(DescriptorType::Device);
  le16 bcdUSB{0x0200};
  std::uint8_t bDeviceClass = 0;
  std::uint8_t bDeviceSubClass = 0;
  std::uint8_t bDeviceProtocol = 0;
  std::uint8_t bMaxPacketSize0 = 64;
  le16 idVendor{};
  le16 idProduct{};
  le16 bcdDevice{};
  std::uint8_t iManufacturer = 0;
  std::uint8_t iProduct = 0;
  std::uint8_t iSerialNumber = 0;
  std::uint8_t bNumConfigurations = 0;

  [[nodiscard]] ClassCode class_code() const {
    return {bDeviceClass, bDeviceSubClass, bDeviceProtocol};
  }

  friend bool operator==(const DeviceDescriptor&, const DeviceDescriptor&) = default;
};
static_assert(sizeof(DeviceDescriptor) == 18);

struct DeviceQualifierDescriptor {
  std::uint8_t bLength = 10;
  std::uint8_t bDescriptorType = static_cast<std::uint8_t>(DescriptorType::DeviceQualifier);
  le16 bcdUSB{0x0200};
  std::uint8_t bDeviceClass = 0;
  std::uint8_t bDeviceSubClass = 0;
  std::uint8_t bDeviceProtocol = 0;
  std::uint8_t bMaxPacketSize0 = 64;
  std::uint8_t bNumConfigurations = 0;
  std::uint8_t bReserved = 0;

  friend bool operator==(const DeviceQualifierDescriptor&,
                         const DeviceQualifierDescriptor&) = default;
};
static_assert(sizeof(DeviceQualifierDescriptor) == 10);

struct ConfigurationDescriptor {
  std::uint8_t bLength = 9;
  std::uint8_t bDescriptorType = static_cast<std::uint8_t>(DescriptorType::Configuration);
  le16 wTotalLength{};
  std::uint8_t bNumInterfaces = 0;
  std::uint8_t bConfigurationValue = 0;
  std::uint8_t iConfiguration = 0;
  std::uint8_t bmAttributes = 0x80;
  std::uint8_t bMaxPower = 0;  ///< In 2 mA; in 8 mA at SuperSpeed.

  friend bool operator==(const ConfigurationDescriptor&, const ConfigurationDescriptor&) = default;
};
static_assert(sizeof(ConfigurationDescriptor) == 9);

struct InterfaceAssociationDescriptor {
  std::uint8_t bLength = 8;
  std::uint8_t bDescriptorType = static_cast<std::uint8_t>(DescriptorType::InterfaceAssociation);
  std::uint8_t bFirstInterface = 0;
  std::uint8_t bInterfaceCount = 0;
  std::uint8_t bFunctionClass = 0;
  std::uint8_t bFunctionSubClass = 0;
  std::uint8_t bFunctionProtocol = 0;
  std::uint8_t iFunction = 0;

  friend bool operator==(const InterfaceAssociationDescriptor&,
                         const InterfaceAssociationDescriptor&) = default;
};
static_assert(sizeof(InterfaceAssociationDescriptor) == 8);

struct InterfaceDescriptor {
  std::uint8_t bLength = 9;
  std::uint8_t bDescriptorType = static_cast<std::uint8_t>(DescriptorType::Interface);
  std::uint8_t bInterfaceNumber = 0;
  std::uint8_t bAlternateSetting = 0;
  std::uint8_t bNumEndpoints = 0;
  std::uint8_t bInterfaceClass = 0;
  std::uint8_t bInterfaceSubClass = 0;
  std::uint8_t bInterfaceProtocol = 0;
  std::uint8_t iInterface = 0;

  [[nodiscard]] ClassCode class_code() const {
    return {bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol};
  }

  friend bool operator==(const InterfaceDescriptor&, const InterfaceDescriptor&) = default;
};
static_assert(sizeof(InterfaceDescriptor) == 9);

struct EndpointDescriptor {
  std::uint8_t bLength = 7;  ///< 9 in old audio devices, which append bRefresh and bSynchAddress.
  std::uint8_t bDescriptorType = static_cast<std::uint8_t>(DescriptorType::Endpoint);
  std::uint8_t bEndpointAddress = 0;
  std::uint8_t bmAttributes = 0;
  le16 wMaxPacketSize{};
  std::uint8_t bInterval = 0;

  [[nodiscard]] EndpointAddress address() const { return EndpointAddress(bEndpointAddress); }
  [[nodiscard]] TransferType type() const { return static_cast<TransferType>(bmAttributes & 3); }

  friend bool operator==(const EndpointDescriptor&, const EndpointDescriptor&) = default;
};
static_assert(sizeof(EndpointDescriptor) == 7);

struct SsEndpointCompanionDescriptor {
  std::uint8_t bLength = 6;
  std::uint8_t bDescriptorType = static_cast<std::uint8_t>(DescriptorType::SsEndpointCompanion);
  std::uint8_t bMaxBurst = 0;
  std::uint8_t bmAttributes = 0;
  le16 wBytesPerInterval{};

  friend bool operator==(const SsEndpointCompanionDescriptor&,
                         const SsEndpointCompanionDescriptor&) = default;
};
static_assert(sizeof(SsEndpointCompanionDescriptor) == 6);

/// Follows the companion of a SuperSpeedPlus isochronous endpoint whose bmAttributes bit 7 is set.
struct SspIsoEndpointCompanionDescriptor {
  std::uint8_t bLength = 8;
  std::uint8_t bDescriptorType = static_cast<std::uint8_t>(DescriptorType::SspIsoEndpointCompanion);
  le16 wReserved{};
  le32 dwBytesPerInterval{};

  friend bool operator==(const SspIsoEndpointCompanionDescriptor&,
                         const SspIsoEndpointCompanionDescriptor&) = default;
};
static_assert(sizeof(SspIsoEndpointCompanionDescriptor) == 8);

struct BosDescriptor {
  std::uint8_t bLength = 5;
  std::uint8_t bDescriptorType = static_cast<std::uint8_t>(DescriptorType::Bos);
  le16 wTotalLength{};
  std::uint8_t bNumDeviceCaps = 0;

  friend bool operator==(const BosDescriptor&, const BosDescriptor&) = default;
};
static_assert(sizeof(BosDescriptor) == 5);

/// The class descriptor of an HID interface with one report descriptor (HID 1.11, 6.2.1).
struct HidDescriptor {
  std::uint8_t bLength = 9;
  std::uint8_t bDescriptorType = static_cast<std::uint8_t>(DescriptorType::Hid);
  le16 bcdHID{0x0111};
  std::uint8_t bCountryCode = 0;
  std::uint8_t bNumDescriptors = 1;
  std::uint8_t bReportDescriptorType = static_cast<std::uint8_t>(DescriptorType::HidReport);
  le16 wDescriptorLength{};

  friend bool operator==(const HidDescriptor&, const HidDescriptor&) = default;
};
static_assert(sizeof(HidDescriptor) == 9);

}  // namespace periprox::usb
