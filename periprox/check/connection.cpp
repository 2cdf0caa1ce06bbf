#include "periprox/check/connection.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "periprox/link/socket.hpp"

namespace periprox::check {
namespace {

/// More than any answer of a case; a peer that sends on and on is stopped here.
constexpr std::size_t kLargestInbox = std::size_t{96} << 20;
constexpr std::size_t kReadSize = std::size_t{256} << 10;

int milliseconds_until(TimePoint until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

std::string seconds_text(Duration duration) {
  const auto tenths = std::chrono::round<std::chrono::milliseconds>(duration).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

Result<UniqueFd> connect_socket(int family, const sockaddr* address, socklen_t size,
                                const std::string& what, TimePoint until) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return tl::make_unexpected(errno_error(errno, what));
  if (::connect(fd.get(), address, size) == 0) return fd;
  if (errno != EINPROGRESS) return tl::make_unexpected(errno_error(errno, what));
  pollfd wanted{.fd = fd.get(), .events = POLLOUT, .revents = 0};
  if (::poll(&wanted, 1, milliseconds_until(until)) <= 0) {
    return tl::make_unexpected(errno_error(ETIMEDOUT, what));
  }
  int error = 0;
  socklen_t error_size = sizeof(error);
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &error_size);
  if (error != 0) return tl::make_unexpected(errno_error(error, what));
  return fd;
}

sockaddr_un unix_address(const link::Address& address) {
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  address.path.copy(&place.sun_path[0], sizeof(place.sun_path) - 1);
  return place;
}

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

/// At least one.
Result<Addresses> resolve(const link::Address& address, const std::string& what) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) return fail(Error::Kind::NotFound, what, ::gai_strerror(error));
  return Addresses(found, &::freeaddrinfo);
}

}  // namespace

TimePoint now() { return std::chrono::steady_clock::now(); }

Result<UniqueFd> connect_to(const link::Address& address, Duration patience) {
  const auto what = "cannot connect to " + address.text();
  const auto until = now() + patience;
  if (address.kind == link::Address::Kind::Unix) {
    const auto place = unix_address(address);
    return connect_socket(AF_UNIX, reinterpret_cast<const sockaddr*>(&place), sizeof(place), what,
                          until);
  }
  auto found = resolve(address, what);
  if (!found) return forward_error(found);
  Result<UniqueFd> last = fail(Error::Kind::NotFound, what, "the name has no address");
  for (const auto* each = found->get(); each != nullptr; each = each->ai_next) {
    last = connect_socket(each->ai_family, each->ai_addr, each->ai_addrlen, what, until);
    if (!last) continue;
    link::tune_socket(last->get());
    return last;
  }
  return last;
}

Result<UniqueFd> listen_at(const link::Address& address) {
  const auto what = "cannot listen on " + address.text();
  const auto listen_on = [&](const sockaddr* place, socklen_t size) -> Result<UniqueFd> {
    UniqueFd fd(::socket(place->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int yes = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (!fd || ::bind(fd.get(), place, size) != 0 || ::listen(fd.get(), SOMAXCONN) != 0) {
      return tl::make_unexpected(
          errno_error(errno, what, "stop the other program there, or give another --listen"));
    }
    return fd;
  };
  if (address.kind == link::Address::Kind::Unix) {
    const auto place = unix_address(address);
    return listen_on(reinterpret_cast<const sockaddr*>(&place), sizeof(place));
  }
  auto found = resolve(address, what);
  if (!found) return forward_error(found);
  return listen_on((*found)->ai_addr, (*found)->ai_addrlen);
}

Connection::Connection(UniqueFd socket, Patience patience)
    : socket_(std::move(socket)), patience_(patience) {
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
}

TimePoint Connection::until(Duration how_long) const {
  return std::min(now() + how_long, patience_.deadline);
}

short Connection::wait(short events, TimePoint until) const {
  pollfd wanted{.fd = socket_.get(), .events = events, .revents = 0};
  while (true) {
    const int count = ::poll(&wanted, 1, milliseconds_until(until));
    if (count > 0) return wanted.revents;
    if (count == 0) return 0;
    if (errno != EINTR) failed("poll() failed");
  }
}

bool Connection::fill() {
  if (taken_ == inbox_.size()) {
    inbox_.clear();
    taken_ = 0;
  }
  const auto have = inbox_.size();
  if (have - taken_ > kLargestInbox) failed("the peer sends more than anybody asked for");
  inbox_.resize(have + kReadSize);
  const auto count = ::recv(socket_.get(), inbox_.data() + have, kReadSize, 0);
  inbox_.resize(have + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  if (count > 0) return true;
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  ended_ = true;  // FIN or RST: either way no byte comes any more.
  return false;
}

void Connection::send(Bytes bytes) {
  auto give_up = until(patience_.each);
  while (!bytes.empty()) {
    const auto events = static_cast<short>(POLLOUT | (ended_ ? 0 : POLLIN));
    const short ready = wait(events, give_up);
    if (ready == 0) {
      failed("the peer read nothing for " + seconds_text(patience_.each) + ", " +
             std::to_string(bytes.size()) + " bytes are left");
    }
    if ((ready & (POLLIN | POLLHUP | POLLERR)) != 0 && !ended_) fill();
    if ((ready & POLLOUT) == 0 && !ended_) continue;
    const auto count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) failed("the peer closed the connection while it was being sent to");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    give_up = until(patience_.each);
  }
}

std::size_t Connection::send_without_reading(Bytes bytes, Duration quiet) {
  std::size_t sent = 0;
  while (sent < bytes.size() && (wait(POLLOUT, until(quiet)) & POLLOUT) != 0) {
    const auto count =
        ::send(socket_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) break;
    sent += static_cast<std::size_t>(count);
  }
  return sent;
}

std::vector<std::byte> Connection::receive(std::size_t count, std::string_view what) {
  auto give_up = until(patience_.each);
  while (inbox_.size() - taken_ < count) {
    const auto have = inbox_.size() - taken_;
    const auto so_far =
        have == 0 ? std::string()
                  : ", after " + std::to_string(have) + " of " + std::to_string(count) + " bytes";
    if (ended_) failed("the connection ended instead of " + std::string(what) + so_far);
    if (wait(POLLIN, give_up) == 0) {
      failed("no " + std::string(what) + " within " + seconds_text(patience_.each) + so_far);
    }
    fill();
    if (inbox_.size() - taken_ > have) give_up = until(patience_.each);
  }
  const auto* begin = inbox_.data() + taken_;
  taken_ += count;
  return {begin, begin + count};
}

Connection::Next Connection::next(Duration how_long) {
  const auto give_up = until(how_long);
  while (taken_ == inbox_.size()) {
    if (ended_) return Next::End;
    if (wait(POLLIN, give_up) == 0) return Next::Nothing;
    fill();
  }
  return Next::Byte;
}

void Connection::end_sending() { ::shutdown(socket_.get(), SHUT_WR); }

void Connection::close() {
  // A close with unread bytes would be a reset: end the sending first, then take what is there.
  end_sending();
  while (!ended_ && wait(POLLIN, until(std::chrono::milliseconds(20))) != 0) fill();
  socket_.reset();
}

void Connection::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  socket_.reset();
}

}  // namespace periprox::check
