// A device in a text file: what it is, and what it answers. For devices without a line of C++.
//
//     device 1209:0010
//     product "Light"
//     interface ff 00 00
//     endpoint 81 interrupt 8 10ms
//     endpoint 02 bulk
//     on control c0 01 * *: answer 12 34
//     on control 40 02 0001: accept; send 81 01
//     on control 40 02: stall
//     on out 02 "?": accept; send 81 "on"
//     on out 02: echo 81
//     every 100ms: send 81 2a
//
// Bytes are hexadecimal or text in quotes; * matches anything, and so does what is left out. Rules
// are tried from the top; the first that matches counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/usb/descriptors.hpp"
#include "periprox/usb/endpoint_address.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::emulated {

/// What a rule does, in its order.
struct VendorAction {
  enum class Kind : std::uint8_t {
    Answer,  ///< The data of a control IN request.
    Accept,
    Stall,
    Send,  ///< A transfer for an IN endpoint, when the host asks.
    Echo,  ///< The same with the data that came.
  };
  Kind kind = Kind::Accept;
  usb::EndpointAddress endpoint = {};
  std::vector<std::byte> bytes = {};
};

/// A control request; what is empty matches anything.
struct ControlMatch {
  std::uint8_t bmRequestType = 0;
  std::uint8_t bRequest = 0;
  std::optional<std::uint16_t> wValue = {};
  std::optional<std::uint16_t> wIndex = {};
};
/// An OUT transfer that begins with these bytes.
struct OutMatch {
  usb::EndpointAddress endpoint;
  std::vector<std::byte> begin = {};
};
/// Again and again.
struct EveryMatch {
  Duration period{};
};

struct VendorRule {
  std::variant<ControlMatch, OutMatch, EveryMatch> when;
  std::vector<VendorAction> actions = {};
};

struct VendorEndpoint {
  usb::EndpointAddress address;
  usb::TransferType type = usb::TransferType::Bulk;
  std::uint16_t max_packet_size = 0;
  Duration interval{};
};

/// A whole file.
struct VendorScript {
  std::uint16_t idVendor = 0x1209;
  std::uint16_t idProduct = 0x0007;
  std::string manufacturer = {};
  std::string product = {};
  std::string serial_number = {};
  usb::ClassCode class_code{0xff, 0, 0};
  std::vector<VendorEndpoint> endpoints = {};
  std::vector<VendorRule> rules = {};
};

/// Reads a file; an error names the line. `name` is that of the file.
[[nodiscard]] Result<VendorScript> parse_vendor_script(std::string_view text,
                                                       const std::string& name);

inline constexpr std::size_t kMaxVendorScript = std::size_t{1} << 20;
inline constexpr std::size_t kMaxVendorRules = 1000;

}  // namespace periprox::emulated
