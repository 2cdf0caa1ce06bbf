// Where a link goes: tcp://HOST:PORT, unix:///PATH or vsock://CID:PORT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "periprox/base/result.hpp"

namespace periprox::link {

/// A place to connect to or to listen on.
struct Address {
  enum class Kind : std::uint8_t { Tcp, Unix, Vsock };

  Kind kind = Kind::Tcp;
  std::string host;        ///< Tcp: name or number, an IPv6 number without its brackets.
  std::uint32_t port = 0;  ///< Tcp: 16 bits; Vsock: 32 bits.
  std::string path;        ///< Unix: file path.
  std::uint32_t cid = 0;   ///< Vsock: the machine; kAnyCid to listen for all.

  static constexpr std::uint32_t kAnyCid = 0xffff'ffff;  // VMADDR_CID_ANY

  /// "tcp://127.0.0.1:3240", "tcp://[::1]:3240", "unix:///run/p.sock", "vsock://2:3240".
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
};

/// Reads "HOST", "HOST:PORT", "[IPV6]:PORT"; `default_port` when none is given.
[[nodiscard]] Result<Address> parse_host_port(std::string_view text, std::uint16_t default_port);
/// Reads "CID" or "CID:PORT"; CID is a number, "host" (2), "local" (1) or "any".
[[nodiscard]] Result<Address> parse_cid_port(std::string_view text, std::uint32_t default_port);
/// Reads "tcp://HOST[:PORT]", "unix:///PATH" ("unix://PATH" and "unix:/PATH" too) or
/// "vsock://CID[:PORT]".
[[nodiscard]] Result<Address> parse_address(std::string_view text, std::uint16_t default_port);

}  // namespace periprox::link
