// What the tests of the room share: a protocol that echoes or talks on command, and sockets.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "periprox/base/protocol.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox::link::testing {

/// Two connected ends.
struct FdPair {
  UniqueFd a;
  UniqueFd b;
};
inline FdPair socket_pair(int type = SOCK_STREAM) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}
/// `a` reads what is written to `b`.
inline FdPair make_pipe() {
  int fds[2];
  if (::pipe(fds) != 0) std::abort();
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// Reads exactly `count` bytes, waiting for them; fewer when the other side ends.
inline std::string read_all(int fd, std::size_t count) {
  std::string text(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const auto got = ::read(fd, text.data() + done, count - done);
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

/// What a test sees and decides of a TalkProtocol, also after the protocol is gone.
struct Talk {
  std::string received;
  std::string to_send;    ///< Not yet written.
  std::size_t room = 16;  ///< Bytes that it lets the link read at a time; 0 = none.
  bool echo = false;
  bool finished = false;
  bool finish_when_ended = true;
  bool close_called = false;
  int ends = 0;
  std::optional<Error> end_error;
  int destroyed = 0;
  std::optional<TimePoint> wake_at;
  int woken = 0;
  Waker* waker = nullptr;
  std::function<void()> gathering;  ///< Called when there is something to write, before it is.
  int received_while_writing = 0;   ///< How often something came between gather() and written().
};

/// A protocol that does what the test's Talk says.
class TalkProtocol final : public Protocol {
 public:
  explicit TalkProtocol(Talk& talk) : talk_(talk) {}
  ~TalkProtocol() override { ++talk_.destroyed; }

  void set_waker(Waker* waker) override { talk_.waker = waker; }
  std::span<const MutableBytes> receive_into() override {
    const std::size_t room = std::min(talk_.room, place_.size());
    if (room == 0 || talk_.finished) return {};
    // Two places, as behind a payload.
    places_ = {MutableBytes(place_).first((room + 1) / 2),
               MutableBytes(place_).subspan((room + 1) / 2, room / 2)};
    return {places_.data(), room > 1 ? 2U : 1U};
  }
  void received(std::size_t count) override {
    const std::string text(reinterpret_cast<const char*>(place_.data()), count);
    talk_.received += text;
    if (talk_.echo) talk_.to_send += text;
  }
  void receive_ended(std::optional<Error> error) override {
    ++talk_.ends;
    talk_.end_error = error;
    failure_ = std::move(error);
    if (talk_.finish_when_ended) talk_.finished = true;
  }
  std::size_t gather(std::span<Bytes> segments) override {
    if (talk_.to_send.empty()) return 0;
    if (talk_.gathering) talk_.gathering();
    received_before_ = talk_.received.size();
    const auto all = bytes_of_text(talk_.to_send);
    const auto half = segments.size() > 1 ? (all.size() + 1) / 2 : all.size();
    segments[0] = all.first(half);
    if (half == all.size()) return 1;
    segments[1] = all.subspan(half);
    return 2;
  }
  void written(std::size_t count) override {
    talk_.to_send.erase(0, count);
    if (talk_.received.size() > received_before_) ++talk_.received_while_writing;
  }
  [[nodiscard]] std::optional<TimePoint> wake_at() const override { return talk_.wake_at; }
  void woken(TimePoint now) override {
    ++talk_.woken;
    if (talk_.wake_at && now >= *talk_.wake_at) talk_.wake_at.reset();
  }
  void close() override {
    talk_.close_called = true;
    talk_.finished = true;
  }
  [[nodiscard]] bool finished() const override { return talk_.finished; }
  [[nodiscard]] const std::optional<Error>& failure() const override { return failure_; }

 private:
  Talk& talk_;
  std::size_t received_before_ = 0;
  std::array<std::byte, 64 * 1024> place_{};
  std::array<MutableBytes, 2> places_;
  std::optional<Error> failure_;
};

}  // namespace periprox::link::testing
