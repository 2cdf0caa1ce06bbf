#include "periprox/service/packet_streams.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#ifdef __linux__
#include <linux/if_tun.h>
#endif

#include "periprox/loop/loop.hpp"
#include "periprox/service/descriptor_stream.hpp"

namespace periprox::service {
namespace {

constexpr auto kRetryAfter = std::chrono::seconds(1);

std::string cannot_open(std::string_view words) {
  return "cannot open the stream '" + std::string(words) + "'";
}

std::optional<sockaddr_un> unix_address(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return std::nullopt;
  std::ranges::copy(path, address.sun_path);
  return address;
}

const sockaddr* plain(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// A socket at `own`, in place of an older socket only.
Result<UniqueFd> bind_datagrams(const sockaddr_un& own, std::string_view words) {
  struct stat status {};
  if (::lstat(own.sun_path, &status) == 0 && S_ISSOCK(status.st_mode)) {
    (void)::unlink(own.sun_path);
  }
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || ::bind(socket.get(), plain(own), sizeof(own)) != 0) {
    return tl::make_unexpected(errno_error(errno, cannot_open(words)));
  }
  return socket;
}

/// Connects `stream` to the peer for as long as it lives, again whenever it has gone.
class DatagramConnector {
 public:
  DatagramConnector(Loop& loop, const sockaddr_un& own, const sockaddr_un& peer,
                    DescriptorStream& stream)
      : loop_(loop), own_(own), peer_(peer), stream_(stream) {}
  ~DatagramConnector() {
    loop_.cancel(retry_);
    (void)::unlink(own_.sun_path);
  }
  DatagramConnector(const DatagramConnector&) = delete;
  DatagramConnector& operator=(const DatagramConnector&) = delete;

  /// Fails when there can be no socket; that there is no peer yet is no failure.
  Result<void> connect(std::string_view words) {
    auto socket = bind_datagrams(own_, words);
    if (!socket) return forward_error(socket);
    if (::connect(socket->get(), plain(peer_), sizeof(peer_)) == 0) {
      stream_.connect(std::move(*socket));
    } else {
      connect_later();
    }
    return {};
  }
  void connect_later() {
    retry_ = loop_.call_at(loop_.now() + kRetryAfter, [this] {
      if (!connect({})) connect_later();
    });
  }

 private:
  Loop& loop_;
  sockaddr_un own_;
  sockaddr_un peer_;
  DescriptorStream& stream_;  // Owns this.
  TimerId retry_{};
};

}  // namespace

Result<std::unique_ptr<ByteStream>> open_tap(Loop& loop, std::string_view words,
                                             std::string_view name) {
#ifdef TUNSETIFF
  ifreq request{};
  if (name.empty() || name.size() >= sizeof(request.ifr_name)) {
    return fail(Error::Kind::Usage, cannot_open(words), "a network device has 1 to 15 letters",
                "ip tuntap add tap0 mode tap makes one");
  }
  std::ranges::copy(name, request.ifr_name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  UniqueFd tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!tap) {
    return tl::make_unexpected(errno_error(errno, cannot_open(words), "modprobe tun"));
  }
  if (::ioctl(tap.get(), TUNSETIFF, &request) != 0) {
    const int failure = errno;
    const std::string hint = failure == EPERM ? "ip tuntap add " + std::string(name) +
                                                    " mode tap user $USER makes one for you"
                                              : "";
    return tl::make_unexpected(errno_error(failure, cannot_open(words), hint));
  }
  auto stream = std::make_unique<DescriptorStream>(loop);
  stream->drop_what_fails();
  stream->connect(std::move(tap));
  return stream;
#else
  (void)loop;
  (void)name;
  return fail(Error::Kind::NotSupported, cannot_open(words), "this system has no TAP devices");
#endif
}

Result<std::unique_ptr<ByteStream>> open_datagrams(Loop& loop, std::string_view words,
                                                   std::string_view paths) {
  const auto comma = std::min(paths.find(','), paths.size());
  const auto own = unix_address(paths.substr(0, comma));
  const auto peer = unix_address(paths.substr(std::min(comma + 1, paths.size())));
  if (!own || !peer) {
    return fail(Error::Kind::Usage, cannot_open(words),
                "it is not PATH,PEER with paths of sockets");
  }
  auto stream = std::make_unique<DescriptorStream>(loop);
  auto connector = std::make_shared<DatagramConnector>(loop, *own, *peer, *stream);
  stream->on_lost([connector = connector.get()] { connector->connect_later(); });
  if (auto done = connector->connect(words); !done) return forward_error(done);
  stream->keep(std::move(connector));
  return stream;
}

}  // namespace periprox::service
