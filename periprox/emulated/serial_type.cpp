// emulated:serial: the port, and what the settings join it to.
#include <utility>

#include "periprox/emulated/no_stream.hpp"
#include "periprox/emulated/serial.hpp"

namespace periprox::emulated {
namespace {

constexpr auto kSettings = with_common_settings(
    "high", SettingInfo{"to", "",
                        "where it leads: pty, pty:LINK, - (standard input and output), "
                        "tcp://HOST:PORT, listen:tcp://HOST:PORT, exec:COMMAND, a file; empty: "
                        "nowhere"});

std::string break_text(std::uint16_t milliseconds) {
  if (milliseconds == 0) return "break ends";
  if (milliseconds == 0xffff) return "break begins";
  return "break of " + std::to_string(milliseconds) + " ms";
}

Result<FunctionMaker> make_serial(SettingsReader& settings, const Surroundings& surroundings) {
  if (settings.error()) return tl::make_unexpected(*settings.error());
  auto stream = open_stream_or_none(surroundings, settings.text("to"));
  if (!stream) return forward_error(stream);
  auto port = std::make_shared<SerialPort>(std::move(*stream));
  port->on_line_coding = [surroundings](const LineCoding& coding) {
    note(surroundings, "line coding " + line_coding_text(coding));
  };
  port->on_control_lines = [surroundings](bool dtr, bool rts) {
    note(surroundings,
         std::string("DTR ") + (dtr ? "on" : "off") + ", RTS " + (rts ? "on" : "off"));
  };
  port->on_break = [surroundings](std::uint16_t milliseconds) {
    note(surroundings, break_text(milliseconds));
  };
  return [port](Place place) { return serial_function(port, place); };
}

}  // namespace

DeviceType serial_type() {
  return {.name = "serial",
          .summary = "serial port (CDC-ACM), joined to a pty, a socket or a command",
          .settings = kSettings,
          .make = FunctionType{.idProduct = 0x0006, .make = make_serial}};
}

}  // namespace periprox::emulated
