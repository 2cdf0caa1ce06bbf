// netlink(7); Linux: lib/kobject_uevent.c sends to group 1 with port id 0 and root's credentials.
#include "periprox/physical/uevent_socket.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace periprox::physical {
namespace {

constexpr std::uint32_t kKernelGroup = 1;
// UEVENT_BUFFER_SIZE is 2 KiB; anything longer is not the kernel's.
constexpr std::size_t kLongest = 8192;

bool sent_by_root(msghdr& message) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_CREDENTIALS) continue;
    ucred sender{};
    std::memcpy(&sender, CMSG_DATA(control), sizeof sender);
    return sender.uid == 0;
  }
  return false;
}

}  // namespace

Result<UeventSocket> UeventSocket::open() {
  const std::string what = "cannot listen to the kernel's device events";
  UniqueFd fd(
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!fd) return tl::make_unexpected(errno_error(errno, what));
  const int on = 1;
  const int buffer = 1 << 20;
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kKernelGroup;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return tl::make_unexpected(errno_error(errno, what));
  }
  return UeventSocket(std::move(fd));
}

UeventSocket::Received UeventSocket::receive() {
  Received received;
  received.datagram.resize(kLongest);
  iovec place{received.datagram.data(), received.datagram.size()};
  sockaddr_nl sender{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
  msghdr message{};
  message.msg_name = &sender;
  message.msg_namelen = sizeof sender;
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto count = ::recvmsg(fd_.get(), &message, 0);
  if (count < 0) {
    if (errno == EAGAIN) return received;
    if (errno == EINTR) return {Outcome::Ignored, {}};
    return {errno == ENOBUFS ? Outcome::Overrun : Outcome::Broken, {}};
  }
  const bool whole = (message.msg_flags & MSG_TRUNC) == 0;
  const bool from_kernel = sender.nl_pid == 0 && sender.nl_groups == kKernelGroup;
  if (!whole || !from_kernel || !sent_by_root(message)) return {Outcome::Ignored, {}};
  received.outcome = Outcome::Received;
  received.datagram.resize(static_cast<std::size_t>(count));
  return received;
}

}  // namespace periprox::physical
