// Names of hosts and their addresses.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/link/endpoint.hpp"

namespace periprox {
class Loop;
}

namespace periprox::link {

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
