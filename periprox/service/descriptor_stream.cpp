#include "periprox/service/descriptor_stream.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "periprox/loop/loop.hpp"

namespace periprox::service {
namespace {

bool is_ready(int fd, short events) {
  pollfd polled{.fd = fd, .events = events, .revents = 0};
  return ::poll(&polled, 1, 0) > 0;
}

/// One direction of a stream: a descriptor and whoever waits for it.
struct End {
  int fd = -1;
  bool lent = false;
  UniqueFd
      watched;  // A duplicate: a descriptor can be watched once, and both ends may be the same.
  std::optional<Watch> watch;
  std::function<void()> callback;

  void open(Loop& loop, int descriptor, bool is_lent, Watch::Handler handler) {
    close();
    fd = descriptor;
    lent = is_lent;
    if (fd < 0) return;
    watched = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (watched) watch.emplace(loop, watched.get(), std::move(handler));
  }
  void close() {
    fd = -1;
    watch.reset();
    watched.reset();
  }
};

}  // namespace

struct DescriptorStream::Impl : std::enable_shared_from_this<Impl> {
  explicit Impl(Loop& the_loop) : loop(the_loop) {}

  void use(int in, int out, bool lent) {
    input.open(loop, in, lent, [this](Ready) { on_ready(input); });
    output.open(loop, out, lent, [this](Ready) { on_ready(output); });
    ended = in < 0;
    set_connected(true);
    arm(input);
    arm(output);
  }

  void arm(End& end) const {
    if (!end.callback || !end.watch) return;
    end.watch->want({.read = &end == &input, .write = &end == &output});
  }

  void on_ready(End& end) {
    const auto keep = shared_from_this();
    end.watch->want({});
    if (const auto call = std::exchange(end.callback, {})) call();
  }

  void set_connected(bool now) {
    if (connected == now) return;
    connected = now;
    loop.post([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self != nullptr && !self->is_closed && self->changed) self->changed();
    });
  }

  /// The other end is gone, or the input is over.
  void over() {
    if (!lost && output.fd >= 0 && output.lent) {
      // Standard input may end while standard output goes on.
      ended = true;
      return input.close();
    }
    input.close();
    output.close();
    owned.reset();
    ended = !lost;
    set_connected(false);
    // Who waits for input learns of the end; who waits for room finds that all of it is dropped.
    wake(input);
    wake(output);
    if (lost)
      loop.post([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self != nullptr && !self->is_closed && self->lost) self->lost();
      });
  }

  void wake(End& end) {
    if (!end.callback || (&end == &input && !ended)) return;
    loop.post([weak = weak_from_this(), &end] {
      const auto self = weak.lock();
      if (self == nullptr || self->is_closed) return;
      if (const auto call = std::exchange(end.callback, {})) call();
    });
  }

  Loop& loop;
  UniqueFd owned;
  End input;
  End output;
  bool connected = false;
  bool ended = false;
  bool is_closed = false;
  bool drops_what_fails = false;
  std::function<void()> changed;
  std::function<void()> lost;
};

DescriptorStream::DescriptorStream(Loop& loop) : impl_(std::make_shared<Impl>(loop)) {}

DescriptorStream::~DescriptorStream() {
  impl_->is_closed = true;
  impl_->input.close();
  impl_->output.close();
}

void DescriptorStream::connect(UniqueFd fd) {
  (void)::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  impl_->owned = std::move(fd);
  impl_->use(impl_->owned.get(), impl_->owned.get(), false);
}

void DescriptorStream::connect_lent(int input, int output) { impl_->use(input, output, true); }

void DescriptorStream::on_lost(std::function<void()> lost) { impl_->lost = std::move(lost); }
void DescriptorStream::drop_what_fails() { impl_->drops_what_fails = true; }
void DescriptorStream::keep(std::shared_ptr<void> kept) { kept_ = std::move(kept); }

std::size_t DescriptorStream::read(MutableBytes room) {
  auto& end = impl_->input;
  if (end.fd < 0 || room.empty() || (end.lent && !is_ready(end.fd, POLLIN))) return 0;
  const auto count = ::read(end.fd, room.data(), room.size());
  if (count > 0) return static_cast<std::size_t>(count);
  if (count == 0 || (errno != EAGAIN && errno != EINTR)) impl_->over();
  return 0;
}

std::size_t DescriptorStream::write(Bytes data) {
  auto& end = impl_->output;
  if (end.fd < 0) return data.size();
  if (data.empty()) return 0;
  // A pipe that is ready takes PIPE_BUF bytes without blocking.
  if (end.lent) {
    if (!is_ready(end.fd, POLLOUT)) return 0;
    data = data.first(std::min<std::size_t>(data.size(), PIPE_BUF));
  }
  const auto count = ::write(end.fd, data.data(), data.size());
  if (count >= 0) return static_cast<std::size_t>(count);
  if (errno == EAGAIN || errno == EINTR) return 0;
  if (!impl_->drops_what_fails) impl_->over();
  return data.size();
}

bool DescriptorStream::read_ended() const { return impl_->ended; }

void DescriptorStream::when_readable(std::function<void()> callback) {
  impl_->input.callback = std::move(callback);
  if (impl_->ended) return impl_->wake(impl_->input);
  impl_->arm(impl_->input);
}

void DescriptorStream::when_writable(std::function<void()> callback) {
  impl_->output.callback = std::move(callback);
  if (impl_->output.fd < 0) return impl_->wake(impl_->output);
  impl_->arm(impl_->output);
}

bool DescriptorStream::is_connected() const { return impl_->connected; }
void DescriptorStream::on_connection(std::function<void()> callback) {
  impl_->changed = std::move(callback);
}

}  // namespace periprox::service
