#include "periprox/service/locator.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "periprox/physical/sysfs.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::service {
namespace {

constexpr std::size_t kLongestLocator = 4096;

struct UnsupportedForm {
  std::string_view prefix;
  std::string_view what;
};
constexpr std::array<UnsupportedForm, 1> kUnsupported{{
    {"usbip+tls:", "a server behind TLS"},
}};

constexpr std::string_view kTcp = "usbip://";
constexpr std::string_view kUnix = "usbip+unix:";
constexpr std::string_view kVsock = "usbip+vsock://";
constexpr std::string_view kExec = "usbip+exec:";
constexpr std::string_view kFd = "usbip+fd:";

constexpr std::string_view kForms =
    "write a bus id (1-1.2), ids (0x08f7.0x0002), emulated:NAME, usbip://HOST/1-1, "
    "usbip+unix:///PATH/1-1, usbip+vsock://CID/1-1, ring:///PATH/1-1 or usbip+exec:COMMAND";

tl::unexpected<Error> no_locator(std::string_view text, std::string why,
                                 std::string hint = std::string(kForms)) {
  return fail(Error::Kind::Usage, "'" + printable(text, 128) + "' names no device", std::move(why),
              std::move(hint));
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

Result<Locator> parse_emulated(std::string_view whole) {
  const auto rest = whole.substr(std::string_view("emulated:").size());
  const auto question = rest.find('?');
  EmulatedLocator locator{.name = std::string(rest.substr(0, question))};
  if (!is_name(locator.name)) {
    return no_locator(whole, "the name of the emulated device is missing or has odd characters",
                      "`periprox list --emulated` shows the names");
  }
  if (question == std::string_view::npos) return locator;
  auto settings = emulated::parse_settings(rest.substr(question + 1));
  if (!settings) return forward_error(settings);
  locator.settings = std::move(*settings);
  return locator;
}

Result<Locator> parse_recorded(std::string_view whole) {
  const auto rest = whole.substr(std::string_view("recorded:").size());
  const auto question = rest.rfind('?');
  auto path = percent_decode(rest.substr(0, question));
  if (!path) return forward_error(path);
  if (path->empty()) return no_locator(whole, "the file is missing", "recorded:trace.pcapng");
  RecordedLocator locator{.path = std::move(*path)};
  if (question == std::string_view::npos) return locator;
  auto settings = emulated::parse_settings(rest.substr(question + 1));
  if (!settings) return forward_error(settings);
  locator.settings = std::move(*settings);
  return locator;
}

/// The device's own part of a remote locator: a bus id, or ids, percent-encoded.
/// What other servers call devices, where Linux' own bus ids do not fit: usbip-vudc.0 is a gadget.
bool is_server_name(std::string_view text) {
  constexpr std::string_view kVudc = "usbip-vudc.";
  return text.size() < wire::usbip::kBusIdSize && text.starts_with(kVudc) &&
         physical::parse_number(text.substr(kVudc.size())).has_value();
}

Result<physical::Locator> parse_remote_device(std::string_view whole, std::string_view text) {
  if (text.empty()) {
    return no_locator(whole, "it names a server but no device on it",
                      "add /BUSID; `periprox list SERVER` shows what it exports");
  }
  auto decoded = percent_decode(text);
  if (!decoded) return forward_error(decoded);
  if (is_server_name(*decoded)) return physical::Locator{.busid = *decoded};
  auto device = physical::parse_locator(*decoded);
  if (!device) {
    auto error = std::move(device).error();
    return no_locator(whole, std::move(error.why), std::move(error.hint));
  }
  return device;
}

/// HOST[:PORT]/DEVICE behind a prefix, where `parse` reads what stands before the slash.
template <typename Parse>
Result<Locator> parse_host(std::string_view whole, std::string_view prefix, const Parse& parse) {
  const auto rest = whole.substr(prefix.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  auto server = parse(rest.substr(0, slash), wire::usbip::kDefaultPort);
  if (!server) return forward_error(server);
  auto device = parse_remote_device(whole, rest.substr(std::min(slash + 1, rest.size())));
  if (!device) return forward_error(device);
  return RemoteLocator{std::move(*server), std::move(*device)};
}

Result<Locator> parse_unix(std::string_view whole) {
  const auto rest = whole.substr(std::string_view("usbip+").size());
  const auto slash = rest.rfind('/');
  if (slash == std::string_view::npos) return no_locator(whole, "the socket's path is missing");
  auto device = parse_remote_device(whole, rest.substr(slash + 1));
  if (!device) return forward_error(device);
  auto server = link::parse_address(rest.substr(0, slash), wire::usbip::kDefaultPort);
  if (!server) return forward_error(server);
  return RemoteLocator{std::move(*server), std::move(*device)};
}

Result<Locator> parse_command(std::string_view whole) {
  CommandLocator locator{std::string(whole.substr(kExec.size()))};
  if (locator.command.find_first_not_of(' ') == std::string::npos) {
    return no_locator(whole, "the command is missing",
                      "write for example 'usbip+exec:ssh HOST periprox export 1-1'");
  }
  return locator;
}

Result<Locator> parse_descriptor(std::string_view whole) {
  const auto text = whole.substr(kFd.size());
  DescriptorLocator locator;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), locator.fd);
  if (error != std::errc{} || end != text.data() + text.size() || locator.fd < 0) {
    return no_locator(whole, "the number of a descriptor is missing",
                      "usbip+fd:0 is standard input, used in both directions");
  }
  return locator;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    if (text.front() != '%') {
      decoded += text.front();
      text.remove_prefix(1);
      continue;
    }
    unsigned byte = 0;
    const auto digits = text.substr(1, 2);
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16).ptr;
    if (digits.size() != 2 || end != digits.data() + 2 || byte == 0) {
      return fail(Error::Kind::Usage, "'" + printable(text, 64) + "' cannot be decoded",
                  "after '%' come two hexadecimal digits other than 00",
                  "write %25 for '%' itself");
    }
    decoded += static_cast<char>(byte);
    text.remove_prefix(3);
  }
  return decoded;
}

Result<Locator> parse_locator(std::string_view text) {
  if (text.empty()) return no_locator(text, "it is empty");
  if (text.size() > kLongestLocator) return no_locator(text, "it is too long");
  for (const auto& form : kUnsupported) {
    if (!text.starts_with(form.prefix)) continue;
    return fail(Error::Kind::NotSupported, "cannot open '" + printable(text, 128) + "'",
                std::string(form.what) + " is not supported by this build", std::string(kForms));
  }
  if (text.starts_with("emulated:")) return parse_emulated(text);
  if (text.starts_with("recorded:")) return parse_recorded(text);
  if (text.starts_with(kTcp)) return parse_host(text, kTcp, link::parse_host_port);
  if (text.starts_with(kVsock)) return parse_host(text, kVsock, link::parse_cid_port);
  if (text.starts_with(kUnix)) return parse_unix(text);
  if (text.starts_with(kExec)) return parse_command(text);
  if (text.starts_with(kFd)) return parse_descriptor(text);
  if (is_ring(text)) {
    auto ring = parse_ring_locator(text);
    if (!ring) return forward_error(ring);
    return std::move(*ring);
  }
  if (const auto colon = text.find("://"); colon != std::string_view::npos) {
    return no_locator(text, "'" + printable(text.substr(0, colon), 32) + "' is no kind of link");
  }
  auto device = physical::parse_locator(text);
  if (!device) {
    auto error = std::move(device).error();
    const bool looks_physical = text.starts_with("0x") || text.front() <= '9';
    return no_locator(text, std::move(error.why),
                      looks_physical ? std::move(error.hint) : std::string(kForms));
  }
  return std::move(*device);
}

Result<link::Address> parse_server(std::string_view text) {
  const auto host_part = [text](std::string_view prefix) {
    auto rest = text.substr(prefix.size());
    if (rest.ends_with('/')) rest.remove_suffix(1);
    return rest;
  };
  if (text.starts_with(kTcp)) {
    return link::parse_host_port(host_part(kTcp), wire::usbip::kDefaultPort);
  }
  if (text.starts_with(kVsock)) {
    return link::parse_cid_port(host_part(kVsock), wire::usbip::kDefaultPort);
  }
  if (text.starts_with(kUnix)) {
    return link::parse_address(text.substr(std::string_view("usbip+").size()), 0);
  }
  return fail(Error::Kind::Usage, "'" + printable(text, 128) + "' names no server",
              "it starts with neither usbip:// nor usbip+unix:// nor usbip+vsock://",
              "write usbip://HOST, usbip://HOST:PORT, usbip+unix:///PATH or usbip+vsock://CID");
}

}  // namespace periprox::service
