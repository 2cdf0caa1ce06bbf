// Where a link goes: tcp://HOST:PORT or unix:///PATH.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "periprox/base/result.hpp"

namespace periprox::link {

/// A place to connect to or to listen on.
struct Address {
  enum class Kind : std::uint8_t { Tcp, Unix };

  Kind kind = Kind::Tcp;
  std::string host;        ///< Tcp: name or number, an IPv6 number without its brackets.
  std::uint16_t port = 0;  ///< Tcp.
  std::string path;        ///< Unix: file path.

  /// "tcp://127.0.0.1:3240", "tcp://[::1]:3240", "unix:///run/p.sock".
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
};

/// Reads "HOST", "HOST:PORT", "[IPV6]:PORT"; `default_port` when none is given.
[[nodiscard]] Result<Address> parse_host_port(std::string_view text, std::uint16_t default_port);
/// Reads "tcp://HOST[:PORT]" or "unix:///PATH" ("unix://PATH" and "unix:/PATH" too).
[[nodiscard]] Result<Address> parse_address(std::string_view text, std::uint16_t default_port);

}  // namespace periprox::link
