#include "periprox/link/resolve.hpp"

#include <netdb.h>

#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "periprox/loop/loop.hpp"

namespace periprox::link {

Result<std::vector<Endpoint>> resolve_blocking(const std::string& host, std::uint16_t port,
                                               bool to_listen) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    return fail(Error::Kind::NotFound, "cannot find the host '" + host + "'", ::gai_strerror(error),
                "check the host name");
  }
  std::vector<Endpoint> endpoints;
  for (const auto* entry = found; entry != nullptr; entry = entry->ai_next) {
    endpoints.emplace_back(entry->ai_addr, entry->ai_addrlen);
  }
  ::freeaddrinfo(found);
  return endpoints;
}

// getaddrinfo() cannot be interrupted: who no longer wants its answer leaves the thread behind,
// with nothing but this to touch.
struct Resolving::Shared {
  std::mutex mutex;  // Guards `loop` and `hold`.
  Loop* loop = nullptr;
  std::optional<Loop::Hold> hold;
  std::function<void(Result<std::vector<Endpoint>>)> done;  // The loop's.
};

Resolving::Resolving(Loop& loop, std::string host, std::uint16_t port,
                     std::function<void(Result<std::vector<Endpoint>>)> done)
    : shared_(std::make_shared<Shared>()) {
  shared_->loop = &loop;
  shared_->hold.emplace(loop);
  shared_->done = std::move(done);
  std::thread([shared = shared_, host = std::move(host), port] {
    auto found = resolve_blocking(host, port, false);
    const std::lock_guard lock(shared->mutex);
    if (shared->loop == nullptr) return;
    shared->loop->post([shared, found = std::move(found)] {
      if (shared->loop != nullptr) shared->done(found);
    });
    shared->hold.reset();
  }).detach();
}

Resolving::~Resolving() {
  const std::lock_guard lock(shared_->mutex);
  shared_->loop = nullptr;
  shared_->hold.reset();
}

}  // namespace periprox::link
