#include "bench/sockets.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdio>
#include <cstdlib>

#include "periprox/link/socket.hpp"

namespace periprox::bench {
namespace {

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

std::string_view kind_name(SocketKind kind) { return kind == SocketKind::Tcp ? "tcp" : "unix"; }

std::pair<UniqueFd, UniqueFd> connected_pair(SocketKind kind) {
  if (kind == SocketKind::Unix) {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) give_up("socketpair");
    link::tune_socket(fds[0]);
    link::tune_socket(fds[1]);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
  }
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  if (::bind(listener.get(), raw, size) != 0 || ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), raw, &size) != 0) {
    give_up("listen");
  }
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(client.get(), raw, size) != 0) give_up("connect");
  UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!server) give_up("accept");
  link::tune_socket(client.get());
  link::tune_socket(server.get());
  return {std::move(client), std::move(server)};
}

}  // namespace periprox::bench
