#include "periprox/link/address.hpp"

#include <sys/un.h>

#include <charconv>
#include <optional>

namespace periprox::link {
namespace {

constexpr std::size_t kMaxHostLength = 253;  // RFC 1035, 2.3.4
constexpr std::size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;

tl::unexpected<Error> bad_address(std::string_view text, std::string why) {
  return fail(Error::Kind::Usage, "'" + std::string(text) + "' is no address", std::move(why),
              "write tcp://127.0.0.1:3240, tcp://[::1]:3240, unix:///run/periprox.sock or "
              "vsock://any:3240");
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

/// A number of 32 bits that fills the whole text.
std::optional<std::uint32_t> parse_whole(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string Address::text() const {
  if (kind == Kind::Unix) return "unix://" + path;
  if (kind == Kind::Vsock) {
    return "vsock://" + (cid == kAnyCid ? "any" : std::to_string(cid)) + ":" + std::to_string(port);
  }
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return "tcp://" + (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> parse_host_port(std::string_view text, std::uint16_t default_port) {
  Address address{.port = default_port};
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return bad_address(text, "the ']' is missing");
    address.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    // Behind '%' stands the name of a network interface (RFC 4007, 11).
    const auto zone = address.host.find('%');
    if (address.host.find_first_not_of("0123456789abcdefABCDEF:.") != zone ||
        address.host.find_first_of("/%", zone == std::string::npos ? zone : zone + 1) !=
            std::string::npos) {
      return bad_address(text, "what stands in brackets is no IPv6 address");
    }
  } else {
    const auto colon = text.find(':');
    address.host = text.substr(0, colon);
    if (colon != std::string_view::npos) rest = text.substr(colon);
    for (const char c : address.host) {
      if (!is_host_character(c)) return bad_address(text, "a host name has no such character");
    }
  }
  if (address.host.empty()) return bad_address(text, "the host is missing");
  if (address.host.size() > kMaxHostLength) return bad_address(text, "the host name is too long");
  if (rest.empty()) return address;
  if (!rest.starts_with(':')) return bad_address(text, "after the host comes ':' and a port");
  rest.remove_prefix(1);
  const auto port = parse_whole(rest);
  if (!port || *port > 0xffff) return bad_address(text, "the port is no number from 0 to 65535");
  address.port = *port;
  return address;
}

Result<Address> parse_cid_port(std::string_view text, std::uint32_t default_port) {
  Address address{.kind = Address::Kind::Vsock, .port = default_port};
  const auto colon = text.find(':');
  const auto cid = text.substr(0, colon);
  const auto number = parse_whole(cid);
  if (cid == "any") {
    address.cid = Address::kAnyCid;
  } else if (cid == "local") {
    address.cid = 1;  // VMADDR_CID_LOCAL
  } else if (cid == "host") {
    address.cid = 2;  // VMADDR_CID_HOST
  } else if (number) {
    address.cid = *number;
  } else {
    return bad_address(text, "a vsock address begins with a CID: a number, host, local or any");
  }
  if (colon == std::string_view::npos) return address;
  const auto port = parse_whole(text.substr(colon + 1));
  if (!port) return bad_address(text, "the port is no number of 32 bits");
  address.port = *port;
  return address;
}

Result<Address> parse_address(std::string_view text, std::uint16_t default_port) {
  if (text.starts_with("tcp://")) return parse_host_port(text.substr(6), default_port);
  if (text.starts_with("unix:")) {
    std::string_view path = text.substr(5);
    if (path.starts_with("//")) path.remove_prefix(2);
    if (path.empty()) return bad_address(text, "the path is missing");
    if (path.size() > kMaxUnixPath) {
      return bad_address(text,
                         "a socket's path has at most " + std::to_string(kMaxUnixPath) + " bytes");
    }
    return Address{.kind = Address::Kind::Unix, .path = std::string(path)};
  }
  if (text.starts_with("vsock://")) return parse_cid_port(text.substr(8), default_port);
  return bad_address(text, "it starts with neither tcp:// nor unix: nor vsock://");
}

}  // namespace periprox::link
