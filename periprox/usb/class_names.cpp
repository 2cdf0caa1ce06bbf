#include "periprox/usb/class_names.hpp"

#include <algorithm>
#include <array>

namespace periprox::usb {
namespace {

struct ClassRow {
  std::uint8_t code;
  std::string_view name;
};

constexpr std::array kClasses{
    ClassRow{0x00, "Defined by Interfaces"},
    ClassRow{0x01, "Audio"},
    ClassRow{0x02, "Communications"},
    ClassRow{0x03, "Human Interface Device"},
    ClassRow{0x05, "Physical"},
    ClassRow{0x06, "Image"},
    ClassRow{0x07, "Printer"},
    ClassRow{0x08, "Mass Storage"},
    ClassRow{0x09, "Hub"},
    ClassRow{0x0a, "CDC Data"},
    ClassRow{0x0b, "Smart Card"},
    ClassRow{0x0d, "Content Security"},
    ClassRow{0x0e, "Video"},
    ClassRow{0x0f, "Personal Healthcare"},
    ClassRow{0x10, "Audio/Video"},
    ClassRow{0x11, "Billboard"},
    ClassRow{0x12, "USB Type-C Bridge"},
    ClassRow{0x13, "USB Bulk Display"},
    ClassRow{0x14, "MCTP over USB"},
    ClassRow{0x3c, "I3C"},
    ClassRow{0xdc, "Diagnostic"},
    ClassRow{0xe0, "Wireless Controller"},
    ClassRow{0xef, "Miscellaneous"},
    ClassRow{0xfe, "Application Specific"},
    ClassRow{0xff, "Vendor Specific"},
};

struct ProtocolRow {
  ClassCode code;
  std::string_view name;
};

constexpr std::array kProtocols{
    ProtocolRow{{0x01, 0x01, 0x00}, "Audio Control 1.0"},
    ProtocolRow{{0x01, 0x02, 0x00}, "Audio Streaming 1.0"},
    ProtocolRow{{0x01, 0x03, 0x00}, "MIDI Streaming 1.0"},
    ProtocolRow{{0x01, 0x01, 0x20}, "Audio Control 2.0"},
    ProtocolRow{{0x01, 0x02, 0x20}, "Audio Streaming 2.0"},
    ProtocolRow{{0x01, 0x01, 0x30}, "Audio Control 3.0"},
    ProtocolRow{{0x01, 0x02, 0x30}, "Audio Streaming 3.0"},
    ProtocolRow{{0x02, 0x02, 0x00}, "Abstract Control Model"},
    ProtocolRow{{0x02, 0x02, 0x01}, "Abstract Control Model, AT commands"},
    ProtocolRow{{0x02, 0x02, 0xff}, "Abstract Control Model, vendor protocol"},
    ProtocolRow{{0x02, 0x06, 0x00}, "Ethernet Networking"},
    ProtocolRow{{0x02, 0x0c, 0x07}, "Ethernet Emulation"},
    ProtocolRow{{0x02, 0x0d, 0x00}, "Network Control Model"},
    ProtocolRow{{0x02, 0x0e, 0x00}, "Mobile Broadband Interface Model"},
    ProtocolRow{{0x03, 0x00, 0x00}, "no boot protocol"},
    ProtocolRow{{0x03, 0x01, 0x00}, "boot interface"},
    ProtocolRow{{0x03, 0x01, 0x01}, "boot keyboard"},
    ProtocolRow{{0x03, 0x01, 0x02}, "boot mouse"},
    ProtocolRow{{0x06, 0x01, 0x01}, "Still Image (PTP)"},
    ProtocolRow{{0x07, 0x01, 0x01}, "unidirectional"},
    ProtocolRow{{0x07, 0x01, 0x02}, "bidirectional"},
    ProtocolRow{{0x07, 0x01, 0x03}, "IEEE 1284.4"},
    ProtocolRow{{0x07, 0x01, 0x04}, "IPP over USB"},
    ProtocolRow{{0x08, 0x06, 0x50}, "SCSI, Bulk-Only"},
    ProtocolRow{{0x08, 0x06, 0x62}, "SCSI, UAS"},
    ProtocolRow{{0x08, 0x04, 0x00}, "UFI, Control/Bulk/Interrupt"},
    ProtocolRow{{0x09, 0x00, 0x00}, "full-speed hub"},
    ProtocolRow{{0x09, 0x00, 0x01}, "high-speed hub, single TT"},
    ProtocolRow{{0x09, 0x00, 0x02}, "high-speed hub, multiple TTs"},
    ProtocolRow{{0x09, 0x00, 0x03}, "SuperSpeed hub"},
    ProtocolRow{{0x0a, 0x00, 0x01}, "Network Transfer Block"},
    ProtocolRow{{0x0a, 0x00, 0x02}, "Network Transfer Block, MBIM"},
    ProtocolRow{{0x0b, 0x00, 0x00}, "CCID"},
    ProtocolRow{{0x0e, 0x01, 0x00}, "Video Control"},
    ProtocolRow{{0x0e, 0x01, 0x01}, "Video Control 1.5"},
    ProtocolRow{{0x0e, 0x02, 0x00}, "Video Streaming"},
    ProtocolRow{{0x0e, 0x02, 0x01}, "Video Streaming 1.5"},
    ProtocolRow{{0x0e, 0x03, 0x00}, "Video Interface Collection"},
    ProtocolRow{{0xe0, 0x01, 0x01}, "Bluetooth"},
    ProtocolRow{{0xe0, 0x01, 0x03}, "RNDIS"},
    ProtocolRow{{0xe0, 0x01, 0x04}, "Bluetooth AMP"},
    ProtocolRow{{0xef, 0x02, 0x01}, "Interface Association"},
    ProtocolRow{{0xef, 0x04, 0x01}, "RNDIS over Ethernet"},
    ProtocolRow{{0xef, 0x05, 0x00}, "USB3 Vision Control"},
    ProtocolRow{{0xfe, 0x01, 0x01}, "Device Firmware Upgrade, runtime"},
    ProtocolRow{{0xfe, 0x01, 0x02}, "Device Firmware Upgrade, DFU mode"},
    ProtocolRow{{0xfe, 0x02, 0x00}, "IrDA Bridge"},
    ProtocolRow{{0xfe, 0x03, 0x00}, "Test and Measurement"},
    ProtocolRow{{0xfe, 0x03, 0x01}, "Test and Measurement, USB488"},
    ProtocolRow{{0xff, 0x42, 0x01}, "Android Debug Bridge"},
    ProtocolRow{{0xff, 0x42, 0x03}, "Android Fastboot"},
    ProtocolRow{{0xff, 0x5d, 0x01}, "Xbox 360 controller"},
};

}  // namespace

std::string_view class_name(std::uint8_t code) {
  const auto found = std::ranges::find(kClasses, code, &ClassRow::code);
  return found == kClasses.end() ? std::string_view{} : found->name;
}

std::string_view protocol_name(ClassCode code) {
  const auto found = std::ranges::find(kProtocols, code, &ProtocolRow::code);
  return found == kProtocols.end() ? std::string_view{} : found->name;
}

}  // namespace periprox::usb
