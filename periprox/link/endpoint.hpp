// Addresses as the system's calls take them.
#pragma once

#include <sys/socket.h>

#include "periprox/base/unique_fd.hpp"
#include "periprox/link/address.hpp"

namespace periprox::link {

/// An address that bind() and connect() take.
struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;

  Endpoint() = default;
  Endpoint(const void* address, socklen_t size);
  [[nodiscard]] const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
};

[[nodiscard]] Endpoint unix_endpoint(const Address& address);
[[nodiscard]] Endpoint vsock_endpoint(const Address& address);
/// A stream socket that is not connected, or none with errno set. Nobody waits for it.
[[nodiscard]] UniqueFd open_socket(int family);

}  // namespace periprox::link
