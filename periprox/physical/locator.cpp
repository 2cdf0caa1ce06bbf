#include "periprox/physical/locator.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "periprox/physical/sysfs.hpp"

namespace periprox::physical {
namespace {

constexpr std::size_t kLongestBusId = 31;
constexpr std::size_t kLongestSerial = 126;  // UTF-16 units of a string descriptor

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes one or more digits off the front.
bool take_digits(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto count = static_cast<std::size_t>(end - text.begin());
  text.remove_prefix(count);
  return count > 0;
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

/// Takes "0x" and exactly four hexadecimal digits off the front.
std::optional<std::uint16_t> take_id(std::string_view& text) {
  if (!text.starts_with("0x") || text.size() < 6) return std::nullopt;
  const auto id = parse_number(text.substr(2, 4), 16);
  text.remove_prefix(6);
  if (!id) return std::nullopt;
  return static_cast<std::uint16_t>(*id);
}

tl::unexpected<Error> refuse(std::string_view text, std::string why, std::string hint) {
  // What a person typed goes into the message, but not control characters and not without end.
  std::string shown(text.substr(0, 64));
  std::replace_if(
      shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return fail(Error::Kind::Usage, "\"" + shown + "\" names no device", std::move(why),
              std::move(hint));
}

}  // namespace

bool is_bus_id(std::string_view text) {
  if (text.size() > kLongestBusId) return false;
  if (!take_digits(text) || !take(text, '-') || !take_digits(text)) return false;
  while (!text.empty()) {
    if (!take(text, '.') || !take_digits(text)) return false;
  }
  return true;
}

std::uint32_t port_of_bus_id(std::string_view busid) {
  return parse_number(busid.substr(busid.find_last_of(".-") + 1)).value_or(0);
}

std::string hub_of_bus_id(std::string_view busid) {
  const auto last = busid.find_last_of(".-");
  if (busid[last] == '.') return std::string(busid.substr(0, last));
  return "usb" + std::string(busid.substr(0, last));
}

std::filesystem::path node_path(const SystemPaths& paths, std::uint32_t busnum,
                                std::uint32_t devnum) {
  return paths.dev / fmt::format("bus/usb/{:03}/{:03}", busnum, devnum);
}

Result<Locator> parse_locator(std::string_view text) {
  if (is_bus_id(text)) return Locator{std::string(text), 0, 0, {}};
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    const auto device = text.substr(0, colon);
    if (is_bus_id(device)) {
      return refuse(text, "it is an interface, and only whole devices are shared",
                    "use " + std::string(device));
    }
  }
  if (text.starts_with("usb") && parse_number(text.substr(3))) {
    return refuse(text, "it is a root hub, and hubs are not shared",
                  "use the bus id of a device, such as 1-1.2");
  }
  const std::string forms = "use a bus id (1-1.2) or ids (0x08f7.0x0002, 0x08f7.0x0002@SERIAL)";
  auto rest = text;
  if (!rest.starts_with("0x")) return refuse(text, "it is neither a bus id nor ids", forms);
  const auto vendor = take_id(rest);
  const bool dot = vendor && take(rest, '.');
  const auto product = dot ? take_id(rest) : std::nullopt;
  if (!product) return refuse(text, "each id is 0x and four hexadecimal digits", forms);
  Locator locator{{}, *vendor, *product, {}};
  if (rest.empty()) return locator;
  if (!take(rest, '@')) return refuse(text, "something follows the product id", forms);
  if (rest.empty()) return refuse(text, "the serial number after @ is empty", forms);
  if (rest.size() > 4 * kLongestSerial) {
    return refuse(text, "the serial number is longer than any device has", forms);
  }
  locator.serial_number = std::string(rest);
  return locator;
}

std::string format_locator(const Locator& locator) {
  if (!locator.busid.empty()) return locator.busid;
  auto text = fmt::format("0x{:04x}.0x{:04x}", locator.idVendor, locator.idProduct);
  if (locator.serial_number) text += "@" + *locator.serial_number;
  return text;
}

}  // namespace periprox::physical
