#include "periprox/app/port_words.hpp"

#include <ctime>

#include "periprox/app/table.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::app {
namespace {

std::string speed_words(const host::VirtualPort& port) {
  return port.speed ? std::string(usb::speed_name(*port.speed)) : std::string();
}

std::string since_words(const host::VirtualPort& port) {
  if (!port.since) return {};
  const auto seconds = std::chrono::system_clock::to_time_t(*port.since);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local)};
}

}  // namespace

std::string driver_words(const host::VirtualPort& port) {
  std::string words;
  for (const auto& driver : port.drivers) words += (words.empty() ? "" : ", ") + driver;
  return words.empty() ? "no driver" : words;
}

std::string attached_line(const host::VirtualPort& port) {
  std::string line = "port " + std::to_string(port.number) + ": " + port.busid + "  " +
                     usb::ids_text(port.idVendor, port.idProduct) + "  " + speed_words(port) +
                     " speed";
  if (!port.name.empty()) line += "  " + service::printable(port.name);
  return line + "  " + driver_words(port) + "  (" + service::printable(port.locator) + ")\n";
}

std::string ports_table(const std::vector<host::VirtualPort>& ports) {
  Table table({"PORT", "BUSID", "IDS", "SPEED", "STATE", "DRIVER", "NAME", "FROM", "SINCE"});
  for (const auto& port : ports) {
    std::vector<std::string> cells{std::to_string(port.number)};
    if (port.use == host::PortUse::Free) {
      const std::string hub = port.is_super ? "super" : "up to high";
      cells.insert(cells.end(), {"-", "-", hub, "free", "-", "-", "-"});
    } else {
      cells.insert(
          cells.end(),
          {port.busid.empty() ? "-" : port.busid, usb::ids_text(port.idVendor, port.idProduct),
           speed_words(port), std::string(host::port_use_name(port.use)), driver_words(port),
           port.name, port.locator.empty() ? "unknown" : port.locator, since_words(port)});
    }
    table.add(std::move(cells));
  }
  return table.text();
}

}  // namespace periprox::app
