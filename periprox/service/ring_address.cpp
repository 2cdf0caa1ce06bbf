#include "periprox/service/ring_address.hpp"

#include <array>
#include <utility>

#include "periprox/emulated/settings.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/printable.hpp"

namespace periprox::service {
namespace {

constexpr std::size_t kLongestSocketPath = 107;  // sockaddr_un::sun_path
constexpr std::size_t kLongestPath = 4095;

struct Form {
  std::string_view prefix;
  RingAddress::Kind kind;
};
constexpr std::array<Form, 3> kForms{{{"ring://", RingAddress::Kind::Socket},
                                      {"ring+file://", RingAddress::Kind::File},
                                      {"ring+pci://", RingAddress::Kind::Pci}}};

constexpr std::array<emulated::SettingInfo, 7> kSettings{
    {{"spin_us", "50", "microseconds to look on at the memory before sleeping"},
     {"cpu", "", "the processor to run on"},
     {"heartbeat_ms", "500", "milliseconds between two signs of life"},
     {"silence_s", "5", "seconds that the other side may give none"},
     {"arena_mib", "32", "MiB for the data of URBs, when exporting"},
     {"uncached", "0", "1 maps a BAR uncached instead of write-combining"},
     {"busid", "", "the device"}}};

tl::unexpected<Error> no_ring(std::string_view text, std::string why) {
  return fail(Error::Kind::Usage, "'" + printable(text, 128) + "' names no ring", std::move(why),
              "write ring:///run/periprox.ring, ring+file:///dev/shm/NAME or "
              "ring+pci://0000:00:05.0");
}

/// An address in its parts.
struct Parts {
  RingAddress address;
  std::string busid;
};

Result<Parts> take_apart(std::string_view text) {
  Parts parts;
  std::string_view rest;
  for (const auto& form : kForms) {
    if (!text.starts_with(form.prefix)) continue;
    parts.address.kind = form.kind;
    rest = text.substr(form.prefix.size());
  }
  const auto question = rest.find('?');
  auto place = percent_decode(rest.substr(0, question));
  if (!place) return forward_error(place);
  parts.address.place = std::move(*place);
  auto settings = question == std::string_view::npos
                      ? Result<emulated::Settings>{}
                      : emulated::parse_settings(rest.substr(question + 1));
  if (!settings) return forward_error(settings);
  emulated::SettingsReader reader("ring", *settings, kSettings);
  parts.address.spin = std::chrono::microseconds(reader.integer("spin_us", 0, 1'000'000));
  if (reader.is_given("cpu")) parts.address.cpu = static_cast<int>(reader.integer("cpu", 0, 1023));
  // Shorter than any silence that can be asked for.
  if (reader.is_given("heartbeat_ms"))
    parts.address.heartbeat = std::chrono::milliseconds(reader.integer("heartbeat_ms", 10, 500));
  if (reader.is_given("silence_s"))
    parts.address.silence = std::chrono::seconds(reader.integer("silence_s", 2, 86'400));
  parts.address.arena = static_cast<std::uint64_t>(reader.integer("arena_mib", 1, 2048)) << 20;
  parts.address.is_uncached = reader.integer("uncached", 0, 1) == 1;
  parts.busid = reader.text("busid");
  if (reader.error()) return tl::make_unexpected(*reader.error());
  return parts;
}

/// A PCI address as sysfs writes it: 0000:00:05.0.
bool is_pci_address(std::string_view text) {
  constexpr std::string_view kShape = "xxxx:xx:xx.x";
  if (text.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    const bool is_digit =
        std::string_view("0123456789abcdef").find(text[i]) != std::string_view::npos;
    if (kShape[i] == 'x' ? !is_digit : text[i] != kShape[i]) return false;
  }
  return true;
}

Result<RingAddress> checked(std::string_view text, RingAddress address) {
  if (address.kind == RingAddress::Kind::Pci) {
    if (is_pci_address(address.place)) return address;
    return no_ring(text, "a PCI address looks like 0000:00:05.0");
  }
  const bool is_socket = address.kind == RingAddress::Kind::Socket;
  if (address.place.size() < 2 || address.place.front() != '/' || address.place.back() == '/') {
    return no_ring(text, "behind :// comes an absolute path, such as /run/periprox.ring");
  }
  if (address.place.size() > (is_socket ? kLongestSocketPath : kLongestPath)) {
    return no_ring(text, "the path is too long");
  }
  return address;
}

}  // namespace

std::string RingAddress::text() const {
  for (const auto& form : kForms) {
    if (form.kind == kind) return std::string(form.prefix) + place;
  }
  return place;
}

session::RingLimits RingAddress::limits(session::RingLimits given) const {
  given.heartbeat = heartbeat.value_or(given.heartbeat);
  given.silence = silence.value_or(given.silence);
  return given;
}

bool is_ring(std::string_view text) {
  return text.starts_with("ring:") || text.starts_with("ring+");
}

Result<RingAddress> parse_ring_address(std::string_view text) {
  auto parts = take_apart(text);
  if (!parts) return forward_error(parts);
  if (!parts->busid.empty()) return no_ring(text, "it names a device where none is asked for");
  return checked(text, std::move(parts->address));
}

Result<RingLocator> parse_ring_locator(std::string_view text) {
  auto parts = take_apart(text);
  if (!parts) return forward_error(parts);
  auto& [address, busid] = *parts;
  if (busid.empty()) {
    const auto slash = address.place.rfind('/');
    if (slash == std::string::npos || slash + 1 == address.place.size()) {
      return no_ring(text, "it names no device: add /BUSID");
    }
    busid = address.place.substr(slash + 1);
    address.place.resize(slash);
  }
  auto ring = checked(text, std::move(address));
  if (!ring) return forward_error(ring);
  auto device = physical::parse_locator(busid);
  if (!device) return forward_error(device);
  return RingLocator{std::move(*ring), std::move(*device)};
}

}  // namespace periprox::service
