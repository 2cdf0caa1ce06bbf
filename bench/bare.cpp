#include "bench/bare.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

namespace periprox::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A non-blocking socket that epoll watches, edge-triggered: the cheapest event loop there is.
class EpollSocket {
 public:
  explicit EpollSocket(int fd) : fd_(fd), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }

  /// Bytes of one read; 0 at the end.
  std::size_t read(std::vector<char>& buffer) const {
    while (true) {
      const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EAGAIN) return 0;
      epoll_event event;
      ::epoll_wait(epoll_.get(), &event, 1, -1);
    }
  }

  void write(const std::vector<char>& buffer, std::size_t size) const {
    for (std::size_t done = 0; done < size;) {
      const ssize_t sent = ::send(fd_, buffer.data() + done, size - done, MSG_NOSIGNAL);
      if (sent > 0) done += static_cast<std::size_t>(sent);
      if (sent < 0 && errno != EAGAIN) return;
    }
  }

 private:
  int fd_;
  UniqueFd epoll_;
};

}  // namespace

double bare_batched_echo(SocketKind kind, std::size_t request, std::size_t reply, std::size_t count,
                         std::size_t in_flight) {
  auto [client_fd, server_fd] = connected_pair(kind);
  std::thread server([fd = server_fd.get(), request, reply] {
    const EpollSocket socket(fd);
    std::vector<char> in(256 * 1024);
    std::vector<char> out(std::max(in.size() / request + 1, std::size_t{1}) * reply);
    std::size_t left_over = 0;
    while (const std::size_t got = socket.read(in)) {
      left_over += got;
      socket.write(out, left_over / request * reply);
      left_over %= request;
    }
  });

  const EpollSocket socket(client_fd.get());
  std::vector<char> in(256 * 1024);
  const std::vector<char> out(in_flight * request);
  const auto start = Clock::now();
  std::size_t sent = std::min(in_flight, count);
  std::size_t answered = 0;
  std::size_t left_over = 0;
  socket.write(out, sent * request);
  while (answered < count) {
    const std::size_t got = socket.read(in);
    if (got == 0) break;
    left_over += got;
    const std::size_t now_answered = left_over / reply;
    left_over %= reply;
    answered += now_answered;
    const std::size_t more = std::min(now_answered, count - sent);
    if (more > 0) socket.write(out, more * request);
    sent += more;
  }
  const double seconds = seconds_since(start);
  ::shutdown(client_fd.get(), SHUT_RDWR);
  server.join();
  return seconds;
}

double bare_ping_pong(SocketKind kind, std::size_t request, std::size_t reply, std::size_t rounds) {
  return bare_batched_echo(kind, request, reply, rounds, 1);
}

double bare_stream(SocketKind kind, std::size_t size, std::size_t count) {
  constexpr std::size_t kHeader = 48;
  auto [client_fd, server_fd] = connected_pair(kind);
  const auto move_all = [size](int fd, std::size_t pieces, auto&& call) {
    std::vector<char> header(kHeader);
    std::vector<char> data(size, 'x');
    for (std::size_t i = 0; i < pieces; ++i) {
      iovec vectors[2] = {{header.data(), header.size()}, {data.data(), data.size()}};
      std::size_t done = 0;
      while (done < kHeader + size) {
        iovec rest[2];
        int used = 0;
        std::size_t skip = done;
        for (const auto& vector : vectors) {
          if (skip >= vector.iov_len) {
            skip -= vector.iov_len;
            continue;
          }
          rest[used++] = {static_cast<char*>(vector.iov_base) + skip, vector.iov_len - skip};
          skip = 0;
        }
        const ssize_t moved = call(fd, rest, used);
        if (moved <= 0) return;
        done += static_cast<std::size_t>(moved);
      }
    }
  };
  const auto start = Clock::now();
  std::thread writer([&move_all, fd = client_fd.get(), count] { move_all(fd, count, ::writev); });
  move_all(server_fd.get(), count, ::readv);
  const double seconds = seconds_since(start);
  writer.join();
  return seconds;
}

}  // namespace periprox::bench
