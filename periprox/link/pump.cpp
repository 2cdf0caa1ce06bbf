// How it works: Asio's reactor tells readiness, the reading and writing are direct system calls.
// While the protocol names places, the pump waits for bytes; it reads when there are some, and
// after each event writes what there is, until the connection takes no more. Asio's own
// async_read_some() would try to read first, which after every message costs a system call that
// finds nothing.
#include "periprox/link/pump.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <utility>

#include "periprox/link/loop.hpp"

namespace periprox::link {
namespace {

constexpr std::size_t kMaxWriteSegments = 128;
/// Reads before the answers to the first of them are written: more would let a fast peer wait long,
/// none would give each of its messages an answer, and a wake-up, of its own.
constexpr int kMaxReads = 5;
/// How long a finished protocol's last bytes may wait for a peer that does not read.
constexpr auto kFarewell = std::chrono::milliseconds(500);

bool is_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

/// Writing to a pipe that nobody reads any more raises SIGPIPE, and no flag prevents it as for
/// sockets. A program that handles the signal itself is left alone.
void ignore_broken_pipes() {
  struct sigaction current {};
  if (::sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) {
    std::signal(SIGPIPE, SIG_IGN);
  }
}

}  // namespace

// Shared with the handlers that Asio holds: the last of them may run after the Pump is gone.
struct Pump::Impl final : Waker, std::enable_shared_from_this<Pump::Impl> {
  Impl(Loop& the_loop, UniqueFd in_fd, UniqueFd out_fd, std::unique_ptr<Protocol> the_protocol,
       Ended the_ended)
      : loop(the_loop),
        protocol(std::move(the_protocol)),
        ended(std::move(the_ended)),
        in(loop.io()),
        out(loop.io()) {
    in_is_out = !out_fd;
    writes_to_socket = is_socket(in_is_out ? in_fd.get() : out_fd.get());
    if (!writes_to_socket) ignore_broken_pipes();
    ::fcntl(in_fd.get(), F_SETFL, ::fcntl(in_fd.get(), F_GETFL) | O_NONBLOCK);
    in.assign(in_fd.release());
    if (!in_is_out) {
      ::fcntl(out_fd.get(), F_SETFL, ::fcntl(out_fd.get(), F_GETFL) | O_NONBLOCK);
      out.assign(out_fd.release());
    }
  }

  asio::posix::stream_descriptor& writer() { return in_is_out ? in : out; }

  void start() {
    protocol->set_waker(this);
    // The first bytes may be waiting to be written, but nobody's callback is called from within a
    // constructor.
    wake();
  }

  void wake() override {
    if (std::exchange(wake_posted, true)) return;
    loop.defer([self = shared_from_this()] {
      self->wake_posted = false;
      self->service();
    });
  }

  /// Looks at everything that the last event may have changed.
  void service() {
    if (dead) return;
    flush();
    if (protocol->finished()) {
      farewell();
      return;
    }
    arm_read();
    arm_timer();
  }

  void arm_read() {
    if (reading || input_ended || protocol->receive_into().empty()) return;
    reading = true;
    in.async_wait(asio::posix::stream_descriptor::wait_read,
                  [self = shared_from_this()](std::error_code error) {
                    self->reading = false;
                    if (error || self->dead) return;
                    // What this gives other pumps to write leaves in the same turn of the loop.
                    self->loop.batch([&self] {
                      if (!self->closing) self->read();
                      self->service();
                    });
                  });
  }

  /// Reads until nothing more is there, but for kMaxReads: then the next wait ends at once.
  void read() {
    std::array<iovec, Protocol::kMaxReceiveSegments> vectors;
    for (int i = 0; i < kMaxReads && !input_ended; ++i) {
      const auto places = protocol->receive_into();
      if (places.empty()) return;
      std::size_t wanted = 0;
      for (std::size_t k = 0; k < places.size(); ++k) {
        vectors[k] = {places[k].data(), places[k].size()};
        wanted += places[k].size();
      }
      const ssize_t got =
          ::readv(in.native_handle(), vectors.data(), static_cast<int>(places.size()));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) {
        end_input(got == 0 ? 0 : errno);
        return;
      }
      protocol->received(static_cast<std::size_t>(got), loop.now());
      if (static_cast<std::size_t>(got) < wanted) return;
    }
  }

  void end_input(int error_number) {
    if (std::exchange(input_ended, true)) return;
    std::optional<Error> error;
    if (error_number != 0) error = errno_error(error_number, "the connection broke");
    protocol->receive_ended(std::move(error));
  }

  void flush() {
    if (write_blocked || write_failed) return;
    std::array<Bytes, kMaxWriteSegments> segments;
    std::array<iovec, kMaxWriteSegments> vectors;
    while (const std::size_t count = protocol->gather(segments)) {
      std::size_t wanted = 0;
      for (std::size_t i = 0; i < count; ++i) {
        vectors[i] = {const_cast<std::byte*>(segments[i].data()), segments[i].size()};
        wanted += segments[i].size();
      }
      const ssize_t done = write_some(vectors.data(), count);
      if (done < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN) {
          wait_for_room();
        } else {
          write_failed = true;
          end_input(errno);
        }
        return;
      }
      protocol->written(static_cast<std::size_t>(done));
      if (static_cast<std::size_t>(done) < wanted) {
        wait_for_room();
        return;
      }
    }
  }

  ssize_t write_some(iovec* vectors, std::size_t count) {
    const int fd = writer().native_handle();
    if (!writes_to_socket) return ::writev(fd, vectors, static_cast<int>(count));
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  void wait_for_room() {
    write_blocked = true;
    writer().async_wait(asio::posix::stream_descriptor::wait_write,
                        [self = shared_from_this()](std::error_code error) {
                          self->write_blocked = false;
                          if (!error) self->service();
                        });
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
    asio::post(loop.io(), [self = shared_from_this()] { self->finish(); });
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
    if (writes_to_socket) ::shutdown(writer().native_handle(), SHUT_WR);
    std::error_code ignored;
    in.close(ignored);
    out.close(ignored);
  }

  Loop& loop;
  std::unique_ptr<Protocol> protocol;
  Ended ended;
  asio::posix::stream_descriptor in;
  asio::posix::stream_descriptor out;
  TimerId timer{};
  std::optional<TimePoint> armed;
  bool in_is_out = true;
  bool writes_to_socket = false;
  bool wake_posted = false;
  bool reading = false;
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
