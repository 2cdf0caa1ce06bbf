#include "periprox/link/socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// Needs sys/socket.h before it.
#include <linux/vm_sockets.h>

#include <algorithm>
#include <asio/connect.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <optional>
#include <utility>

#include "periprox/link/loop.hpp"

namespace periprox::link {
namespace {

using Tcp = asio::ip::tcp;

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
  Tcp::endpoint endpoint;
  if (size > endpoint.capacity()) return "unknown";
  std::memcpy(endpoint.data(), &storage, size);
  endpoint.resize(size);
  const auto host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(endpoint.port());
}

/// True when a socket file exists at the address but nobody accepts there. (A connect to a file
/// that is no socket is refused just the same, and that file must not be touched.)
bool is_stale_socket(const asio::local::stream_protocol::endpoint& endpoint,
                     const std::string& path) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  // Non-blocking: a live listener whose queue is full would make this wait.
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return false;
  return ::connect(probe.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 &&
         errno == ECONNREFUSED;
}

Result<UniqueFd> listen_unix(const Address& address) {
  const asio::local::stream_protocol::endpoint endpoint(address.path);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return cannot_listen(errno, address);
  const auto* raw = endpoint.data();
  const auto size = static_cast<socklen_t>(endpoint.size());
  int bound = ::bind(fd.get(), raw, size);
  if (bound != 0 && errno == EADDRINUSE && is_stale_socket(endpoint, address.path)) {
    ::unlink(address.path.c_str());
    bound = ::bind(fd.get(), raw, size);
  }
  if (bound != 0 || ::listen(fd.get(), kBacklog) != 0) return cannot_listen(errno, address);
  return fd;
}

sockaddr_vm vsock_address(const Address& address) {
  sockaddr_vm raw{};
  raw.svm_family = AF_VSOCK;
  raw.svm_cid = address.cid;
  raw.svm_port = address.port;
  return raw;
}

Result<UniqueFd> listen_vsock(const Address& address) {
  const auto raw = vsock_address(address);
  UniqueFd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&raw), sizeof(raw)) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return cannot_listen(errno, address);
  }
  return fd;
}

Result<UniqueFd> listen_tcp(Loop& loop, Address& address) {
  std::error_code error;
  Tcp::resolver resolver(loop.io());
  const auto found =
      resolver.resolve(address.host, std::to_string(address.port),
                       Tcp::resolver::passive | Tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return fail(Error::Kind::NotFound, "cannot listen on " + address.text(),
                "the name has no address",
                "127.0.0.1 is this machine alone, 0.0.0.0 every network it is in");
  }
  auto endpoint = found.begin()->endpoint();
  UniqueFd fd(
      ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return cannot_listen(errno, address);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return cannot_listen(errno, address);
  }
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(fd.get(), endpoint.data(), &size) == 0) address.port = endpoint.port();
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
        descriptor(loop.io(), fd.release()),
        on_accept(std::move(handler)) {}

  void wait() {
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](std::error_code error) {
                            if (!error && !self->closed) self->accept_all();
                          });
  }

  void accept_all() {
    while (!closed) {
      UniqueFd socket(
          ::accept4(descriptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          loop.call_at(loop.now() + kAcceptPause, [self = shared_from_this()] { self->wait(); });
          return;
        }
        if (errno == EINTR || errno == ECONNABORTED) continue;
        break;
      }
      tune_socket(socket.get());
      auto peer = peer_name(socket.get());
      on_accept({std::move(socket), std::move(peer)});
    }
    if (!closed) wait();
  }

  void close() {
    closed = true;
    std::error_code ignored;
    descriptor.close(ignored);
    if (address.kind == Address::Kind::Unix) ::unlink(address.path.c_str());
  }

  Loop& loop;
  Address address;
  asio::posix::stream_descriptor descriptor;
  OnAccept on_accept;
  bool closed = false;
};

Result<Listener> Listener::open(Loop& loop, const Address& address, OnAccept on_accept) {
  Address real = address;
  auto fd = address.kind == Address::Kind::Unix    ? listen_unix(address)
            : address.kind == Address::Kind::Vsock ? listen_vsock(address)
                                                   : listen_tcp(loop, real);
  if (!fd) return forward_error(fd);
  auto impl = std::make_shared<Impl>(loop, std::move(real), std::move(*fd), std::move(on_accept));
  impl->wait();
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

// ---- connect
// ------------------------------------------------------------------------------------------

namespace {

using Socket = asio::generic::stream_protocol::socket;

/// One attempt to connect, alive until it has called back.
struct Attempt : std::enable_shared_from_this<Attempt> {
  Attempt(Loop& the_loop, Address the_address, std::function<void(Result<UniqueFd>)> handler,
          Duration the_limit)
      : loop(the_loop),
        address(std::move(the_address)),
        done(std::move(handler)),
        silence_limit(the_limit),
        resolver(loop.io()),
        socket(loop.io()) {}

  void start(Duration timeout) {
    timer = loop.call_at(loop.now() + timeout, [self = shared_from_this()] {
      std::error_code ignored;
      self->finish(ETIMEDOUT);
      self->resolver.cancel();
      self->socket.close(ignored);
    });
    if (address.kind == Address::Kind::Unix) {
      endpoints.emplace_back(asio::local::stream_protocol::endpoint(address.path));
      connect_next();
      return;
    }
    if (address.kind == Address::Kind::Vsock) {
      const auto raw = vsock_address(address);
      endpoints.emplace_back(&raw, sizeof(raw));
      connect_next();
      return;
    }
    resolver.async_resolve(
        address.host, std::to_string(address.port), Tcp::resolver::numeric_service,
        [self = shared_from_this()](std::error_code error, Tcp::resolver::results_type found) {
          if (error) {
            self->finish_unresolved(error);
            return;
          }
          for (const auto& entry : found) self->endpoints.emplace_back(entry.endpoint());
          self->connect_next();
        });
  }

  /// Tries the addresses of the name one after another.
  void connect_next() {
    if (!done) return;
    if (next == endpoints.size()) {
      finish(last_error);
      return;
    }
    std::error_code ignored;
    socket.close(ignored);
    socket.async_connect(endpoints[next++], [self = shared_from_this()](std::error_code error) {
      if (error) {
        self->last_error = error.value();
        self->connect_next();
      } else {
        self->finish(0);
      }
    });
  }

  void finish(int number) {
    const auto call = std::exchange(done, {});
    if (!call) return;
    loop.cancel(timer);
    if (number == 0) {
      UniqueFd fd(socket.release());
      tune_socket(fd.get(), silence_limit);
      call(std::move(fd));
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
    call(tl::make_unexpected(
        errno_error(number, "cannot connect to " + address.text(), std::move(hint))));
  }

  void finish_unresolved(std::error_code error) {
    const auto call = std::exchange(done, {});
    if (!call) return;
    loop.cancel(timer);
    call(fail(Error::Kind::NotFound, "cannot connect to " + address.text(), error.message(),
              "check the host name"));
  }

  Loop& loop;
  Address address;
  std::function<void(Result<UniqueFd>)> done;
  Duration silence_limit;
  Tcp::resolver resolver;
  Socket socket;
  std::vector<asio::generic::stream_protocol::endpoint> endpoints;
  std::size_t next = 0;
  int last_error = EHOSTUNREACH;
  TimerId timer{};
};

}  // namespace

void connect(Loop& loop, const Address& address, Duration timeout,
             std::function<void(Result<UniqueFd>)> done, Duration silence_limit) {
  std::make_shared<Attempt>(loop, address, std::move(done), silence_limit)->start(timeout);
}

}  // namespace periprox::link
