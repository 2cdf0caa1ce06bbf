#include "periprox/link/pass_descriptor.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "periprox/loop/loop.hpp"

namespace periprox::link {
namespace {

/// Room for a few descriptors: a hostile peer's further ones must be closed, not leaked.
struct Control {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> bytes{};
};

/// All descriptors of a message.
std::vector<UniqueFd> take_descriptors(msghdr& header) {
  std::vector<UniqueFd> fds;
  for (auto* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

struct Receiving : std::enable_shared_from_this<Receiving> {
  Receiving(Loop& the_loop, UniqueFd fd, std::size_t the_size,
            std::function<void(Result<PassedDescriptor>)> handler)
      : loop(the_loop), socket(std::move(fd)), size(the_size), done(std::move(handler)) {}

  void start(Duration timeout) {
    timer = loop.call_at(loop.now() + timeout, [self = shared_from_this()] {
      self->finish(fail(Error::Kind::Failed, "the server did not hand over its memory",
                        "no reply in time", "check that it listens on ring://"));
    });
    watch.emplace(loop, socket.get(), [this](Ready) { finish(receive()); });
    watch->want({.read = true});
  }

  Result<PassedDescriptor> receive() {
    PassedDescriptor passed;
    passed.message.resize(size);
    Control control;
    iovec vector{passed.message.data(), passed.message.size()};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
    const auto got = ::recvmsg(socket.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return tl::make_unexpected(errno_error(errno, "cannot receive shared memory"));
    auto fds = take_descriptors(header);
    if (static_cast<std::size_t>(got) != size || fds.size() != 1) {
      return fail(Error::Kind::Malformed, "the server did not hand over its memory",
                  got == 0 ? "it closed the connection" : "what it sent is something else",
                  "check that it listens on ring://");
    }
    passed.fd = std::move(fds.front());
    watch.reset();
    passed.socket = std::move(socket);
    return passed;
  }

  void finish(Result<PassedDescriptor> result) {
    const auto call = std::exchange(done, {});
    if (!call) return;
    const auto keep = shared_from_this();  // The timer held it.
    loop.cancel(timer);
    watch.reset();
    socket.reset();
    call(std::move(result));
  }

  Loop& loop;
  UniqueFd socket;
  std::optional<Watch> watch;
  std::size_t size;
  std::function<void(Result<PassedDescriptor>)> done;
  TimerId timer{};
};

}  // namespace

Result<void> send_descriptor(int socket, Bytes message, int fd) {
  Control control;
  iovec vector{const_cast<std::byte*>(message.data()), message.size()};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = CMSG_SPACE(sizeof(int));
  auto* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(part), &fd, sizeof(fd));
  if (::sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) !=
      static_cast<ssize_t>(message.size())) {
    return tl::make_unexpected(errno_error(errno, "cannot hand over shared memory"));
  }
  return {};
}

void receive_descriptor(Loop& loop, UniqueFd socket, std::size_t size, Duration timeout,
                        std::function<void(Result<PassedDescriptor>)> done) {
  std::make_shared<Receiving>(loop, std::move(socket), size, std::move(done))->start(timeout);
}

}  // namespace periprox::link
