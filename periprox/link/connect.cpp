// Connecting: the addresses of a name, one after another, until one takes us or time is up.
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "periprox/link/endpoint.hpp"
#include "periprox/link/resolve.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::link {
namespace {

/// How long before trying again to connect to a Unix socket whose queue is full.
constexpr auto kConnectPause = std::chrono::milliseconds(10);

/// One attempt to connect, alive until it has called back: its timer holds it.
struct Attempt : std::enable_shared_from_this<Attempt> {
  Attempt(Loop& the_loop, Address the_address, std::function<void(Result<UniqueFd>)> handler,
          Duration the_limit)
      : loop(the_loop),
        address(std::move(the_address)),
        done(std::move(handler)),
        silence_limit(the_limit) {}

  void start(Duration timeout) {
    timer = loop.call_at(loop.now() + timeout,
                         [self = shared_from_this()] { self->finish(ETIMEDOUT); });
    if (address.kind == Address::Kind::Tcp) {
      resolving.emplace(loop, address.host, address.port, [this](const auto& found) {
        if (!found) {
          conclude(fail(Error::Kind::NotFound, "cannot connect to " + address.text(),
                        found.error().why, found.error().hint));
          return;
        }
        endpoints = *found;
        connect_next();
      });
      return;
    }
    endpoints.push_back(address.kind == Address::Kind::Unix ? unix_endpoint(address)
                                                            : vsock_endpoint(address));
    // Nobody is called back from within connect().
    pause = loop.call_at(TimePoint::min(), [this] { connect_next(); });
  }

  /// Tries the addresses of the name one after another.
  void connect_next() {
    if (next == endpoints.size()) {
      finish(last_error);
      return;
    }
    const auto& endpoint = endpoints[next];
    watch.reset();
    socket = open_socket(endpoint.family());
    if (socket && ::connect(socket.get(), endpoint.raw(), endpoint.size) == 0) {
      finish(0);
    } else if (socket && errno == EINPROGRESS) {
      watch.emplace(loop, socket.get(), [this](Ready) { on_connected(); });
      watch->want({.write = true});
    } else if (socket && errno == EAGAIN) {
      pause = loop.call_at(loop.now() + kConnectPause, [this] { connect_next(); });
    } else {
      try_another(errno);
    }
  }

  void on_connected() {
    int number = 0;
    socklen_t size = sizeof(number);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
    if (number == 0) {
      finish(0);
    } else {
      try_another(number);
    }
  }

  void try_another(int number) {
    last_error = number;
    ++next;
    connect_next();
  }

  void finish(int number) {
    if (number == 0) {
      watch.reset();
      tune_socket(socket.get(), silence_limit);
      conclude(std::move(socket));
      return;
    }
    std::string hint;
    if (number == ECONNREFUSED || number == ENOENT)
      hint = "nobody listens there: is the server running?";
    if (number == ETIMEDOUT)
      hint = "the host does not answer: is it on, and does a firewall drop the port?";
    if (number == EAFNOSUPPORT || number == ENODEV) {
      hint =
          "this kernel lacks that kind of socket; for vsock: modprobe vsock_loopback (local), "
          "vhost_vsock (host) or vmw_vsock_virtio_transport (guest)";
    }
    if (number == EACCES) hint = "the socket's file permissions exclude this user";
    conclude(tl::make_unexpected(
        errno_error(number, "cannot connect to " + address.text(), std::move(hint))));
  }

  /// The end, with or without a connection.
  void conclude(Result<UniqueFd> result) {
    const auto keep = shared_from_this();
    loop.cancel(timer);
    loop.cancel(pause);
    resolving.reset();
    watch.reset();
    done(std::move(result));
  }

  Loop& loop;
  Address address;
  std::function<void(Result<UniqueFd>)> done;
  Duration silence_limit;
  std::optional<Resolving> resolving;
  std::vector<Endpoint> endpoints;
  std::size_t next = 0;
  UniqueFd socket;
  std::optional<Watch> watch;
  int last_error = EHOSTUNREACH;
  TimerId timer{};
  TimerId pause{};
};

}  // namespace

void connect(Loop& loop, const Address& address, Duration timeout,
             std::function<void(Result<UniqueFd>)> done, Duration silence_limit) {
  std::make_shared<Attempt>(loop, address, std::move(done), silence_limit)->start(timeout);
}

}  // namespace periprox::link
