#include "periprox/link/endpoint.hpp"

#include <sys/un.h>

// Needs sys/socket.h before it.
#include <linux/vm_sockets.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace periprox::link {

Endpoint::Endpoint(const void* address, socklen_t the_size)
    : size(std::min<socklen_t>(the_size, sizeof(storage))) {
  std::memcpy(&storage, address, size);
}

Endpoint unix_endpoint(const Address& address) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  // The path of an Address fits (parse_address()).
  const auto length = std::min(address.path.size(), sizeof(raw.sun_path) - 1);
  std::memcpy(raw.sun_path, address.path.data(), length);
  return {&raw, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length + 1)};
}

Endpoint vsock_endpoint(const Address& address) {
  sockaddr_vm raw{};
  raw.svm_family = AF_VSOCK;
  raw.svm_cid = address.cid;
  raw.svm_port = address.port;
  return {&raw, sizeof(raw)};
}

UniqueFd open_socket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

}  // namespace periprox::link
