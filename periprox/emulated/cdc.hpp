// Descriptors and numbers that the communication device classes share (Universal Serial Bus Class
// Definitions for Communications Devices, revision 1.2).
#pragma once

#include <cstdint>

#include "periprox/base/endian.hpp"
#include "periprox/usb/configuration.hpp"
#include "periprox/usb/descriptors.hpp"

namespace periprox::emulated::cdc {

inline constexpr std::uint8_t kCommunicationsClass = 0x02;
inline constexpr std::uint8_t kDataClass = 0x0a;
inline constexpr std::uint8_t kAbstractControlModel = 0x02;
inline constexpr std::uint8_t kAtCommands = 0x01;
inline constexpr std::uint8_t kEthernetControlModel = 0x06;
inline constexpr std::uint8_t kNetworkControlModel = 0x0d;

/// bDescriptorSubtype of functional descriptors (table 13).
enum class Subtype : std::uint8_t {
  Header = 0x00,
  CallManagement = 0x01,
  AbstractControlManagement = 0x02,
  Union = 0x06,
  Ethernet = 0x0f,
  NetworkControlModel = 0x1a,
};

/// bRequest of the abstract control model (Subclass Specification for PSTN Devices 1.2, table 13),
/// of Ethernet (ECM 1.2, table 6) and of network control (NCM 1.0, table 6-2).
enum class Request : std::uint8_t {
  SetLineCoding = 0x20,
  GetLineCoding = 0x21,
  SetControlLineState = 0x22,
  SendBreak = 0x23,
  SetEthernetPacketFilter = 0x43,
  GetNtbParameters = 0x80,
  GetNtbInputSize = 0x85,
  SetNtbInputSize = 0x86,
};

/// SERIAL_STATE (PSTN 1.2, 6.5.4), as it goes over the notification endpoint.
struct SerialState {
  std::uint8_t bmRequestType = 0xa1;
  std::uint8_t bNotification = 0x20;
  le16 wValue{};
  le16 wIndex{};
  le16 wLength{2};
  le16 data{};
};
static_assert(sizeof(SerialState) == 10);

/// NETWORK_CONNECTION and CONNECTION_SPEED_CHANGE (CDC 1.2, 6.3).
struct NetworkConnection {
  std::uint8_t bmRequestType = 0xa1;
  std::uint8_t bNotification = 0x00;
  le16 wValue{};
  le16 wIndex{};
  le16 wLength{};
};
static_assert(sizeof(NetworkConnection) == 8);

struct ConnectionSpeedChange {
  std::uint8_t bmRequestType = 0xa1;
  std::uint8_t bNotification = 0x2a;
  le16 wValue{};
  le16 wIndex{};
  le16 wLength{8};
  le32 DLBitRate{};  ///< Bits a second, to the host.
  le32 ULBitRate{};
};
static_assert(sizeof(ConnectionSpeedChange) == 16);

/// Functional descriptors of a function whose control interface is `control` and whose data
/// interface follows it.
[[nodiscard]] usb::RawDescriptor header();
[[nodiscard]] usb::RawDescriptor union_of(std::uint8_t control, std::uint8_t data);

}  // namespace periprox::emulated::cdc
