// How virtual ports are spoken of.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/host/virtual_ports.hpp"

namespace periprox::app {

/// "ldusb, usbhid", or "no driver".
[[nodiscard]] std::string driver_words(const host::VirtualPort& port);
/// "port 0: 3-1  08f7:0002  low speed  Vernier Go! Temp  ldusb  (emulated:go_temp)" and its end.
[[nodiscard]] std::string attached_line(const host::VirtualPort& port);
/// The table of `periprox ports`.
[[nodiscard]] std::string ports_table(const std::vector<host::VirtualPort>& ports);

/// One line each, with its end.
[[nodiscard]] std::string ports_json(const std::vector<host::VirtualPort>& ports);
[[nodiscard]] std::string port_event_json(std::string_view event, const host::VirtualPort& port,
                                          const std::optional<Error>& error = {});

}  // namespace periprox::app
