// How it works: the loop tells readiness, the reading and writing are direct system calls. The pump
// wants bytes unless the protocol names no place for them; it reads when there are some, and after
// each event writes what there is, until the connection takes no more. A message costs a wait, a
// read and, for the answer, a write: no wait is renewed, and a read that got less than it had room
// for says that no more is there. Nothing is tried before it is ready, but for one thing that saves
// the wait where the peer is quick: right after an answer the next message may be there already.
#include "periprox/link/pump.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <utility>

#include "periprox/link/eager_reads.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::link {
namespace {

constexpr std::size_t kMaxWriteSegments = 128;
/// Reads before the answers to the first of them are written: more would let a fast peer wait long,
/// none would give each of its messages an answer, and a wake-up, of its own.
constexpr int kMaxReads = 5;
/// Answers after which it is read at once, before others have their turn.
constexpr int kMaxEagerReads = 4;
/// Only among messages up to this size: of a large one, a read at once would bring the first part,
/// where a wait lets more of it come.
constexpr std::size_t kMostEagerSize = 4096;
/// How long a finished protocol's last bytes may wait for a peer that does not read.
constexpr auto kFarewell = std::chrono::milliseconds(500);

/// SO_TYPE or SO_DOMAIN; none of what is no socket.
std::optional<int> socket_option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  if (::getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) return std::nullopt;
  return value;
}

/// A read that gets less than it had room for has emptied a pipe or one of these sockets
/// (epoll(7)). It is not so with everything: the vsock of Hyper-V gives one packet at a time.
Drained who_knows(int fd) {
  struct stat status {};
  const bool is_pipe = ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
  const auto domain = socket_option(fd, SO_DOMAIN);
  const bool is_stream = socket_option(fd, SO_TYPE) == SOCK_STREAM &&
                         (domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX);
  return is_pipe || is_stream ? Drained::HandlerSays : Drained::KernelKnows;
}

/// Writing to a pipe that nobody reads any more raises SIGPIPE, and no flag prevents it as for
/// sockets. A program that handles the signal itself is left alone.
void ignore_broken_pipes() {
  struct sigaction current {};
  if (::sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) {
    std::signal(SIGPIPE, SIG_IGN);
  }
}

void set_nonblocking(const UniqueFd& fd) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

}  // namespace

// Shared with what was posted to the loop: the last of it may run after the Pump is gone.
struct Pump::Impl final : Waker, std::enable_shared_from_this<Pump::Impl> {
  Impl(Loop& the_loop, UniqueFd in_fd, UniqueFd out_fd, std::unique_ptr<Protocol> the_protocol,
       Ended the_ended)
      : loop(the_loop),
        protocol(std::move(the_protocol)),
        ended(std::move(the_ended)),
        in(std::move(in_fd)),
        out(std::move(out_fd)) {
    reads_from_socket = socket_option(in.get(), SO_TYPE).has_value();
    writes_to_socket = socket_option(write_fd(), SO_TYPE).has_value();
    if (!writes_to_socket) ignore_broken_pipes();
    set_nonblocking(in);
    if (out) set_nonblocking(out);
  }

  [[nodiscard]] int write_fd() const { return out ? out.get() : in.get(); }

  void start() {
    const auto handler = [this](Ready ready) { on_ready(ready); };
    in_watch.emplace(loop, in.get(), handler, who_knows(in.get()));
    if (out) out_watch.emplace(loop, out.get(), handler, who_knows(out.get()));
    protocol->set_waker(this);
    // The first bytes may be waiting to be written, but nobody's callback is called from within a
    // constructor.
    wake();
  }

  void wake() override {
    // Whatever happens while bytes are read, they are followed by service().
    if (!is_reading) service_soon.ask();
  }

  /// Looks at everything that the last event may have changed.
  void service() {
    if (dead) return;
    flush();
    if (protocol->finished()) {
      farewell();
    } else {
      arm_timer();
    }
    update_wants();
  }

  /// Right after an answer was written; true when the next message was there.
  bool read_eagerly() {
    if (!may_read() || !eager_reads.worth_trying()) return false;
    const bool found_something = read();
    eager_reads.learn(found_something);
    return found_something;
  }

  [[nodiscard]] bool may_read() const { return !closing && !input_ended && !held_back; }

  /// What the watches are to tell from now on.
  void update_wants() {
    if (dead) return;
    // The protocol is asked only after it once had no place for what came.
    if (held_back) held_back = protocol->receive_into().empty();
    const Ready reading{.read = may_read()};
    const Ready writing{.write = write_blocked};
    if (out_watch) {
      in_watch->want(reading);
      out_watch->want(writing);
    } else {
      in_watch->want({.read = reading.read, .write = writing.write});
    }
  }

  void on_ready(Ready ready) {
    const auto keep = shared_from_this();
    if (dead) return;
    if (ready.write) write_blocked = false;
    // What this gives other pumps to write leaves in the same turn of the loop.
    const Loop::Batch batch(loop);
    if (ready.read && !closing) read();
    service();
  }

  /// Reads until nothing more is there, but for kMaxReads: then the next wait ends at once. False
  /// when nothing was there.
  bool read() {
    is_reading = true;
    const bool found_something = read_places();
    is_reading = false;
    return found_something;
  }

  bool read_places() {
    bool found_something = false;
    std::array<iovec, Protocol::kMaxReceiveSegments> vectors;
    for (int i = 0; i < kMaxReads && !input_ended; ++i) {
      const auto places = protocol->receive_into();
      held_back = places.empty();
      if (held_back) break;
      std::size_t wanted = 0;
      for (std::size_t k = 0; k < places.size(); ++k) {
        vectors[k] = {places[k].data(), places[k].size()};
        wanted += places[k].size();
      }
      const ssize_t got = read_some(vectors.data(), places.size());
      if (got < 0 && errno == EINTR) continue;
      const bool waits = got < 0 && errno == EAGAIN;
      if (got <= 0 && !waits) {
        end_input(got == 0 ? 0 : errno);
        break;
      }
      const bool is_all = waits || static_cast<std::size_t>(got) < wanted;
      if (is_all) in_watch->drained({.read = true});
      if (!waits) {
        found_something = true;
        last_read = static_cast<std::size_t>(got);
        protocol->received(static_cast<std::size_t>(got));
      }
      if (is_all) break;
    }
    return found_something;
  }

  void end_input(int error_number) {
    if (std::exchange(input_ended, true)) return;
    std::optional<Error> error;
    if (error_number != 0) error = errno_error(error_number, "the connection broke");
    protocol->receive_ended(std::move(error));
  }

  void flush() {
    std::array<iovec, kMaxWriteSegments> vectors;
    int eager_reads_left = kMaxEagerReads;
    while (!write_blocked && !write_failed) {
      const std::size_t count = protocol->gather(segments);
      if (count == 0) return;
      std::size_t wanted = 0;
      for (std::size_t i = 0; i < count; ++i) {
        vectors[i] = {const_cast<std::byte*>(segments[i].data()), segments[i].size()};
        wanted += segments[i].size();
      }
      const ssize_t done = write_some(vectors.data(), count);
      if (done < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN) {
          block_writing();
        } else {
          write_failed = true;
          end_input(errno);
        }
        return;
      }
      const bool is_all = static_cast<std::size_t>(done) == wanted;
      // First of all, so that the next message is under way while we tidy up after this one.
      const bool is_small = std::max(wanted, last_read) <= kMostEagerSize;
      if (is_all && is_small && eager_reads_left > 0 && read_eagerly()) --eager_reads_left;
      protocol->written(static_cast<std::size_t>(done));
      if (!is_all) block_writing();
    }
  }

  void block_writing() {
    write_blocked = true;
    (out_watch ? out_watch : in_watch)->drained({.write = true});
  }

  // A small URB alone is one piece each way, which the kernel takes faster than an array of one.
  ssize_t read_some(const iovec* vectors, std::size_t count) {
    if (count == 1 && reads_from_socket) {
      return ::recv(in.get(), vectors->iov_base, vectors->iov_len, 0);
    }
    return ::readv(in.get(), vectors, static_cast<int>(count));
  }

  ssize_t write_some(iovec* vectors, std::size_t count) {
    const int fd = write_fd();
    if (!writes_to_socket) return ::writev(fd, vectors, static_cast<int>(count));
    if (count == 1) {
      return ::send(fd, vectors->iov_base, vectors->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  void arm_timer() {
    const auto when = protocol->wake_at();
    if (when == armed) return;
    if (armed) loop.cancel(timer);
    armed = when;
    if (!when) return;
    timer = loop.call_at(*when, [self = weak_from_this()] {
      const auto pump = self.lock();
      if (!pump || pump->dead) return;
      pump->armed.reset();
      pump->protocol->woken(pump->loop.now());
      pump->service();
    });
  }

  /// The protocol is finished: its last bytes go out, if the peer takes them soon, then all ends.
  void farewell() {
    std::array<Bytes, 1> segment;
    const bool all_written = write_failed || protocol->gather(segment) == 0;
    if (!all_written && !farewell_over) {
      begin_farewell();
      return;
    }
    if (std::exchange(closing, true)) return;
    if (armed) loop.cancel(timer);
    armed.reset();
    loop.post([self = shared_from_this()] { self->finish(); });
  }

  /// Starts the patience with a peer that does not read; once, however slowly it reads then.
  void begin_farewell() {
    if (std::exchange(in_farewell, true)) return;
    if (armed) loop.cancel(timer);
    armed = loop.now() + kFarewell;
    timer = loop.call_at(*armed, [self = weak_from_this()] {
      const auto pump = self.lock();
      if (!pump || pump->dead) return;
      pump->farewell_over = true;
      pump->farewell();
    });
  }

  void finish() {
    if (std::exchange(dead, true)) return;
    close_descriptors();
    if (const auto call = std::exchange(ended, {})) call(*protocol);
  }

  void close_descriptors() {
    if (writes_to_socket) ::shutdown(write_fd(), SHUT_WR);
    in_watch.reset();
    out_watch.reset();
    in.reset();
    out.reset();
  }

  Loop& loop;
  std::unique_ptr<Protocol> protocol;
  Ended ended;
  UniqueFd in;
  UniqueFd out;  // None: `in` is both.
  std::optional<Watch> in_watch;
  std::optional<Watch> out_watch;
  Deferred service_soon{loop, [this] {
                          const auto keep = shared_from_this();
                          service();
                        }};
  EagerReads eager_reads;
  std::size_t last_read = 0;
  TimerId timer{};
  std::optional<TimePoint> armed;
  bool reads_from_socket = false;
  bool writes_to_socket = false;
  // Here, because clearing it for each write takes as long as the rest of flush().
  std::array<Bytes, kMaxWriteSegments> segments;
  bool is_reading = false;
  bool held_back = false;  // The protocol had no place for what there was to read.
  bool input_ended = false;
  bool write_blocked = false;
  bool write_failed = false;
  bool in_farewell = false;
  bool farewell_over = false;
  bool closing = false;
  bool dead = false;
};

Pump::Pump(Loop& loop, UniqueFd in, UniqueFd out, std::unique_ptr<Protocol> protocol, Ended ended)
    : impl_(std::make_shared<Impl>(loop, std::move(in), std::move(out), std::move(protocol),
                                   std::move(ended))) {
  impl_->start();
}

Pump::Pump(Loop& loop, UniqueFd socket, std::unique_ptr<Protocol> protocol, Ended ended)
    : Pump(loop, std::move(socket), UniqueFd(), std::move(protocol), std::move(ended)) {}

Pump::~Pump() {
  if (!std::exchange(impl_->dead, true)) {
    impl_->protocol->set_waker(nullptr);
    if (impl_->armed) impl_->loop.cancel(impl_->timer);
    impl_->close_descriptors();
  }
  // A handler that is still queued finds the Impl dead.
  impl_->protocol.reset();
}

Protocol& Pump::protocol() const { return *impl_->protocol; }

void Pump::close() {
  if (impl_->dead) return;
  impl_->protocol->close();
  impl_->wake();
}

}  // namespace periprox::link
