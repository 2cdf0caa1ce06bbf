// The words that name a plugged-in device: "1-1.2", "0x08f7.0x0002", "0x08f7.0x0002@SERIAL".
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "periprox/base/result.hpp"
#include "periprox/physical/system_paths.hpp"

namespace periprox::physical {

/// True for a bus id: BUS-PORT or BUS-PORT.PORT..., decimal, at most 31 characters (what USB/IP can
/// carry). Root hubs ("usb1") and interfaces ("1-1:1.0") have none.
[[nodiscard]] bool is_bus_id(std::string_view text);

/// The last number of a bus id: the port of the hub that the device is plugged into.
[[nodiscard]] std::uint32_t port_of_bus_id(std::string_view busid);
/// The bus id of the hub that the device is plugged into; "usb1" for a root hub.
[[nodiscard]] std::string hub_of_bus_id(std::string_view busid);

/// The device node of usbfs: DEV/bus/usb/001/005.
[[nodiscard]] std::filesystem::path node_path(const SystemPaths& paths, std::uint32_t busnum,
                                              std::uint32_t devnum);

/// What a locator asks for: a bus id, or ids and perhaps a serial number.
struct Locator {
  std::string busid;  ///< Empty when the device is named by its ids.
  std::uint16_t idVendor = 0;
  std::uint16_t idProduct = 0;
  std::optional<std::string> serial_number;
  friend bool operator==(const Locator&, const Locator&) = default;
};

/// Reads a locator; Usage for anything else, with what is wrong about it.
[[nodiscard]] Result<Locator> parse_locator(std::string_view text);
/// The inverse of parse_locator().
[[nodiscard]] std::string format_locator(const Locator& locator);

}  // namespace periprox::physical
