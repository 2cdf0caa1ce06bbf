// A message and a file descriptor, handed over a Unix socket (unix(7), SCM_RIGHTS).
#pragma once

#include <functional>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox {
class Loop;
}

namespace periprox::link {

/// Sends a short message and a descriptor; the socket's buffer is empty, so it never waits.
[[nodiscard]] Result<void> send_descriptor(int socket, Bytes message, int fd);

/// What send_descriptor() sent, and the socket that it came over.
struct PassedDescriptor {
  UniqueFd socket;
  std::vector<std::byte> message;
  UniqueFd fd;
};

/// Waits for a message of exactly `size` bytes with one descriptor. `done` is called once, on the
/// loop, never from within this call.
void receive_descriptor(Loop& loop, UniqueFd socket, std::size_t size, Duration timeout,
                        std::function<void(Result<PassedDescriptor>)> done);

}  // namespace periprox::link
