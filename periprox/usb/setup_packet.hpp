// The eight bytes that start a control transfer (USB 2.0, 9.3), and the words of chapter 9.
#pragma once

#include <cstdint>

#include "periprox/base/endian.hpp"
#include "periprox/usb/endpoint_address.hpp"

namespace periprox::usb {

enum class RequestType : std::uint8_t { Standard = 0, Class = 1, Vendor = 2, Reserved = 3 };
enum class Recipient : std::uint8_t { Device = 0, Interface = 1, Endpoint = 2, Other = 3 };

/// bRequest of standard requests (USB 2.0, table 9-4; USB 3.2, table 9-5).
enum class StandardRequest : std::uint8_t {
  GetStatus = 0,
  ClearFeature = 1,
  SetFeature = 3,
  SetAddress = 5,
  GetDescriptor = 6,
  SetDescriptor = 7,
  GetConfiguration = 8,
  SetConfiguration = 9,
  GetInterface = 10,
  SetInterface = 11,
  SynchFrame = 12,
  SetSel = 48,
  SetIsochDelay = 49,
};

/// Feature selectors (USB 2.0, table 9-6), and the hub's PORT_RESET (table 11-17).
inline constexpr std::uint16_t kFeatureEndpointHalt = 0;
inline constexpr std::uint16_t kFeatureDeviceRemoteWakeup = 1;
inline constexpr std::uint16_t kFeaturePortReset = 4;

/// Mirrors the setup packet byte for byte; little-endian, also inside USB/IP's big-endian header.
struct SetupPacket {
  std::uint8_t bmRequestType = 0;
  std::uint8_t bRequest = 0;
  le16 wValue{};
  le16 wIndex{};
  le16 wLength{};

  /// By the setup packet alone; a request without data counts as OUT for Linux (is_in()).
  [[nodiscard]] Direction direction() const {
    return (bmRequestType & 0x80) != 0 ? Direction::In : Direction::Out;
  }
  /// True when the data stage goes to the host; false also when there is no data stage.
  [[nodiscard]] bool is_in() const { return direction() == Direction::In && wLength != 0; }
  [[nodiscard]] RequestType type() const {
    return static_cast<RequestType>((bmRequestType >> 5) & 3);
  }
  [[nodiscard]] Recipient recipient() const { return static_cast<Recipient>(bmRequestType & 0x1f); }
  /// True for the standard request `request`, whoever its recipient is.
  [[nodiscard]] bool is_standard(StandardRequest request) const {
    return type() == RequestType::Standard && bRequest == static_cast<std::uint8_t>(request);
  }

  [[nodiscard]] bool is_set_address() const {
    return bmRequestType == 0x00 && is_standard(StandardRequest::SetAddress);
  }
  [[nodiscard]] bool is_set_configuration() const {
    return bmRequestType == 0x00 && is_standard(StandardRequest::SetConfiguration);
  }
  [[nodiscard]] bool is_set_interface() const {
    return bmRequestType == 0x01 && is_standard(StandardRequest::SetInterface);
  }
  [[nodiscard]] bool is_clear_halt() const {
    return bmRequestType == 0x02 && is_standard(StandardRequest::ClearFeature) &&
           wValue == kFeatureEndpointHalt;
  }
  /// The hub class request SET_FEATURE(PORT_RESET): USB/IP peers send it to ask for a reset of the
  /// device itself, and every usb::Device understands it so.
  [[nodiscard]] bool is_port_reset() const {
    return bmRequestType == 0x23 &&
           bRequest == static_cast<std::uint8_t>(StandardRequest::SetFeature) &&
           wValue == kFeaturePortReset;
  }

  friend bool operator==(const SetupPacket& a, const SetupPacket& b) {
    return a.bmRequestType == b.bmRequestType && a.bRequest == b.bRequest && a.wValue == b.wValue &&
           a.wIndex == b.wIndex && a.wLength == b.wLength;
  }

  /// GET_DESCRIPTOR to the device; `index` is the string's or configuration's number.
  [[nodiscard]] static SetupPacket get_descriptor(std::uint8_t type, std::uint8_t index,
                                                  std::uint16_t length, std::uint16_t language = 0);
  [[nodiscard]] static SetupPacket set_configuration(std::uint8_t value);
  [[nodiscard]] static SetupPacket set_interface(std::uint8_t number, std::uint8_t alternate);
  [[nodiscard]] static SetupPacket clear_halt(EndpointAddress endpoint);
  [[nodiscard]] static SetupPacket port_reset();
};
static_assert(sizeof(SetupPacket) == 8 && alignof(SetupPacket) == 1);

}  // namespace periprox::usb
