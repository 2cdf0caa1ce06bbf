#include "periprox/link/socket.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// Needs sys/socket.h before it.
#include <linux/vm_sockets.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "periprox/link/endpoint.hpp"
#include "periprox/link/resolve.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::link {
namespace {

constexpr int kBacklog = 128;
constexpr int kUnixSendBuffer = 4 << 20;  // The system cuts it to net.core.wmem_max.
constexpr std::int64_t kLongestSilence = 24 * 3600;
/// How long to wait before accepting again when the process is out of descriptors.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof(value));
}

std::string hint_for_listen(int number) {
  switch (number) {
    case EADDRINUSE:
      return "stop the other program (`ss -ltnp` shows it) or give another address with --listen";
    case EACCES:
    case EPERM:
      return "ports below 1024 and system folders need root; choose another address with --listen";
    case EAFNOSUPPORT:
      return "this kernel lacks that kind of socket; for vsock: modprobe vsock, and vhost_vsock "
             "(host) or vmw_vsock_virtio_transport (guest)";
    case EADDRNOTAVAIL:
      return "this machine has no such address; `ip addr` shows those it has";
    default:
      return "";
  }
}

tl::unexpected<Error> cannot_listen(int number, const Address& address) {
  return tl::make_unexpected(
      errno_error(number, "cannot listen on " + address.text(), hint_for_listen(number)));
}

std::string peer_name(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "unknown";
  if (storage.ss_family == AF_VSOCK) {
    const auto& peer = reinterpret_cast<const sockaddr_vm&>(storage);
    return "vsock " + std::to_string(peer.svm_cid) + ":" + std::to_string(peer.svm_port);
  }
  if (storage.ss_family == AF_UNIX) {
    ucred credentials{};
    size = sizeof(credentials);
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return "unix socket";
    return "uid " + std::to_string(credentials.uid) + ", pid " + std::to_string(credentials.pid);
  }
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(reinterpret_cast<sockaddr*>(&storage), size, host.data(), host.size(),
                    port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "unknown";
  }
  const std::string name(host.data());
  return (storage.ss_family == AF_INET6 ? "[" + name + "]" : name) + ":" + port.data();
}

/// True when a socket file exists at the address but nobody accepts there. (A connect to a file
/// that is no socket is refused just the same, and that file must not be touched.)
bool is_stale_socket(const Endpoint& endpoint, const std::string& path) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  // A live listener whose queue is full does not refuse.
  const auto probe = open_socket(AF_UNIX);
  return probe && ::connect(probe.get(), endpoint.raw(), endpoint.size) != 0 &&
         errno == ECONNREFUSED;
}

int bind_to(const UniqueFd& fd, const Endpoint& endpoint) {
  return ::bind(fd.get(), endpoint.raw(), endpoint.size);
}

Result<UniqueFd> listen_unix(const Address& address) {
  const auto endpoint = unix_endpoint(address);
  auto fd = open_socket(AF_UNIX);
  if (!fd) return cannot_listen(errno, address);
  int bound = bind_to(fd, endpoint);
  if (bound != 0 && errno == EADDRINUSE && is_stale_socket(endpoint, address.path)) {
    ::unlink(address.path.c_str());
    bound = bind_to(fd, endpoint);
  }
  if (bound != 0 || ::listen(fd.get(), kBacklog) != 0) return cannot_listen(errno, address);
  return fd;
}

Result<UniqueFd> listen_vsock(const Address& address) {
  auto fd = open_socket(AF_VSOCK);
  if (!fd || bind_to(fd, vsock_endpoint(address)) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return cannot_listen(errno, address);
  }
  return fd;
}

Result<UniqueFd> listen_tcp(Address& address) {
  const auto found = resolve_blocking(address.host, address.port, true);
  if (!found || found->empty()) {
    return fail(Error::Kind::NotFound, "cannot listen on " + address.text(),
                "the name has no address",
                "127.0.0.1 is this machine alone, 0.0.0.0 every network it is in");
  }
  const auto& endpoint = found->front();
  auto fd = open_socket(endpoint.family());
  if (!fd) return cannot_listen(errno, address);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (bind_to(fd, endpoint) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return cannot_listen(errno, address);
  }
  sockaddr_storage real{};
  socklen_t size = sizeof(real);
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&real), &size) == 0) {
    // Both families have the port in the same place.
    address.port = ntohs(reinterpret_cast<const sockaddr_in&>(real).sin_port);
  }
  return fd;
}

}  // namespace

void tune_socket(int fd, Duration silence_limit) {
  int domain = 0;
  socklen_t size = sizeof(domain);
  ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  if (domain == AF_UNIX) {
    // A Unix socket tells of room only when three quarters of its buffer are free
    // (unix_writable()): with the default, which holds three 64 KiB transfers, the reader runs dry
    // before that.
    set_option(fd, SOL_SOCKET, SO_SNDBUF, kUnixSendBuffer);
    return;
  }
  if (domain != AF_INET && domain != AF_INET6) return;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  // Asked after two fifths of the limit, then three times more in equal steps.
  const auto seconds = std::clamp<std::int64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(silence_limit).count(), 3, kLongestSilence);
  const int step = std::max(1, static_cast<int>(seconds / 5));
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, std::max(1, static_cast<int>(seconds) - 3 * step));
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, step);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  // The same bound while data is on its way, when keepalive is silent.
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(seconds) * 1000);
}

// ---- Listener
// ---------------------------------------------------------------------------------------

struct Listener::Impl : std::enable_shared_from_this<Listener::Impl> {
  Impl(Loop& the_loop, Address the_address, UniqueFd fd, OnAccept handler)
      : loop(the_loop),
        address(std::move(the_address)),
        descriptor(std::move(fd)),
        on_accept(std::move(handler)) {}

  void listen() {
    watch.emplace(loop, descriptor.get(), [this](Ready) {
      const auto keep = shared_from_this();
      accept_all();
    });
    watch->want({.read = true});
  }

  void accept_all() {
    while (!closed) {
      UniqueFd socket(::accept4(descriptor.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          pause();
          return;
        }
        if (errno == EINTR || errno == ECONNABORTED) continue;
        return;
      }
      tune_socket(socket.get());
      auto peer = peer_name(socket.get());
      on_accept({std::move(socket), std::move(peer)});
    }
  }

  void pause() {
    watch->want({});
    loop.call_at(loop.now() + kAcceptPause, [self = shared_from_this()] {
      if (!self->closed) self->watch->want({.read = true});
    });
  }

  void close() {
    closed = true;
    watch.reset();
    descriptor.reset();
    if (address.kind == Address::Kind::Unix) ::unlink(address.path.c_str());
  }

  Loop& loop;
  Address address;
  UniqueFd descriptor;
  std::optional<Watch> watch;
  OnAccept on_accept;
  bool closed = false;
};

Result<Listener> Listener::open(Loop& loop, const Address& address, OnAccept on_accept) {
  Address real = address;
  auto fd = address.kind == Address::Kind::Unix    ? listen_unix(address)
            : address.kind == Address::Kind::Vsock ? listen_vsock(address)
                                                   : listen_tcp(real);
  if (!fd) return forward_error(fd);
  auto impl = std::make_shared<Impl>(loop, std::move(real), std::move(*fd), std::move(on_accept));
  impl->listen();
  return Listener(std::move(impl));
}

Listener::Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&& other) noexcept {
  if (impl_ && impl_ != other.impl_) impl_->close();
  impl_ = std::move(other.impl_);
  return *this;
}
Listener::~Listener() {
  if (impl_) impl_->close();
}
const Address& Listener::address() const { return impl_->address; }

}  // namespace periprox::link
