// Names of hosts and their addresses.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"

namespace periprox {
class Loop;
}

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

/// Every TCP address of a host, in the system's order of preference; `to_listen` for those to bind.
/// Asks name servers, which may take seconds, but for numbers.
[[nodiscard]] Result<std::vector<Endpoint>> resolve_blocking(const std::string& host,
                                                             std::uint16_t port, bool to_listen);

/// The same on a thread of its own. `done` is called on the loop, unless this is destroyed before.
class Resolving {
 public:
  Resolving(Loop& loop, std::string host, std::uint16_t port,
            std::function<void(Result<std::vector<Endpoint>>)> done);
  ~Resolving();
  Resolving(const Resolving&) = delete;
  Resolving& operator=(const Resolving&) = delete;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace periprox::link
