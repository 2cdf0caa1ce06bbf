#include "periprox/physical/uevent.hpp"

#include <algorithm>
#include <string_view>

#include "periprox/physical/locator.hpp"
#include "periprox/physical/sysfs.hpp"

namespace periprox::physical {
namespace {

/// The strings of the datagram that matter; views into it.
struct Fields {
  std::string_view action, devpath, subsystem, devtype, busnum, devnum;
};

void keep(Fields& fields, std::string_view name, std::string_view value) {
  if (name == "ACTION") fields.action = value;
  if (name == "DEVPATH") fields.devpath = value;
  if (name == "SUBSYSTEM") fields.subsystem = value;
  if (name == "DEVTYPE") fields.devtype = value;
  if (name == "BUSNUM") fields.busnum = value;
  if (name == "DEVNUM") fields.devnum = value;
}

/// Empty when the datagram does not start like an event or a string is not ended.
std::optional<Fields> split(std::string_view text) {
  if (text.empty() || text.back() != '\0') return std::nullopt;
  const auto head = text.substr(0, text.find('\0'));
  if (head.find('@') == std::string_view::npos) return std::nullopt;  // "libudev" has none either.
  text.remove_prefix(head.size() + 1);
  Fields fields;
  while (!text.empty()) {
    const auto string = text.substr(0, text.find('\0'));
    text.remove_prefix(string.size() + 1);
    const auto equals = string.find('=');
    if (equals == std::string_view::npos) continue;
    keep(fields, string.substr(0, equals), string.substr(equals + 1));
  }
  return fields;
}

std::optional<UsbEvent::Kind> kind_of(std::string_view action) {
  if (action == "bind") return UsbEvent::Kind::Ready;
  if (action == "remove") return UsbEvent::Kind::Removed;
  return std::nullopt;
}

}  // namespace

std::optional<UsbEvent> parse_uevent(Bytes datagram) {
  const auto fields = split({reinterpret_cast<const char*>(datagram.data()), datagram.size()});
  if (!fields || fields->subsystem != "usb" || fields->devtype != "usb_device") return std::nullopt;
  const auto kind = kind_of(fields->action);
  const auto busnum = parse_number(fields->busnum);
  const auto devnum = parse_number(fields->devnum);
  const auto busid = fields->devpath.substr(fields->devpath.rfind('/') + 1);
  if (!kind || !busnum || !devnum || !is_bus_id(busid)) return std::nullopt;
  return UsbEvent{*kind, {std::string(busid), *busnum, *devnum}};
}

}  // namespace periprox::physical
