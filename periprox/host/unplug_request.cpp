#include "periprox/host/unplug_request.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "periprox/loop/loop.hpp"

namespace periprox::host {
namespace {

/// How often the socket is looked at while an answer is expected.
constexpr auto kLookAgain = std::chrono::milliseconds(20);

link::Address address_of(const std::filesystem::path& path) {
  return {.kind = link::Address::Kind::Unix, .path = path.string()};
}

bool fits_an_address(const std::filesystem::path& path) {
  return path.native().size() < sizeof(sockaddr_un::sun_path);
}

/// A request that was made and is not answered yet.
struct Asking : std::enable_shared_from_this<Asking> {
  Asking(Loop& the_loop, UniqueFd connected, TimePoint limit, std::function<void(bool)> handler)
      : loop(the_loop),
        socket(std::move(connected)),
        deadline(limit),
        answered(std::move(handler)) {}

  void look() {
    char byte = 0;
    const bool is_open = ::recv(socket.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    if (!is_open || loop.now() >= deadline) {
      answered(!is_open);
    } else {
      loop.call_at(loop.now() + kLookAgain, [self = shared_from_this()] { self->look(); });
    }
  }

  Loop& loop;
  UniqueFd socket;
  TimePoint deadline;
  std::function<void(bool)> answered;
};

}  // namespace

std::optional<link::Listener> hear_unplug_requests(Loop& loop, const std::filesystem::path& path,
                                                   std::function<void()> requested) {
  if (!fits_an_address(path)) return std::nullopt;
  // Whoever listens there still serves a device that was in this port before.
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  auto listener = link::Listener::open(
      loop, address_of(path),
      [requested = std::move(requested)](const link::Accepted& /*hung_up*/) { requested(); });
  if (!listener) return std::nullopt;
  return std::move(*listener);
}

void request_unplug(Loop& loop, const std::filesystem::path& path, Duration patience,
                    std::function<void(bool heard)> answered) {
  if (!fits_an_address(path)) {
    loop.post([answered = std::move(answered)] { answered(false); });
    return;
  }
  const auto deadline = loop.now() + patience;
  link::connect(loop, address_of(path), patience,
                [&loop, deadline, answered = std::move(answered)](Result<UniqueFd> socket) {
                  if (!socket) {
                    answered(false);
                    return;
                  }
                  std::make_shared<Asking>(loop, std::move(*socket), deadline, answered)->look();
                });
}

}  // namespace periprox::host
