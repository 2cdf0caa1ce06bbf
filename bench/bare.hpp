// The yardsticks: the same bytes over the same sockets with nothing in between.
#pragma once

#include <cstddef>

#include "bench/sockets.hpp"

namespace periprox::bench {

/// Seconds for `rounds` of: `request` bytes there, `reply` bytes back, between two epoll loops.
[[nodiscard]] double bare_ping_pong(SocketKind kind, std::size_t request, std::size_t reply,
                                    std::size_t rounds);

/// Seconds for `count` messages, at most `in_flight` unanswered, between two epoll loops; each
/// answers everything that one read returned with one write.
[[nodiscard]] double bare_batched_echo(SocketKind kind, std::size_t request, std::size_t reply,
                                       std::size_t count, std::size_t in_flight);

/// Seconds to move `count` pieces of header (48 bytes) and `size` bytes of data one way, a writev
/// and a full readv each.
[[nodiscard]] double bare_stream(SocketKind kind, std::size_t size, std::size_t count);

}  // namespace periprox::bench
