// Sockets, connected and listening: TCP, Unix and vsock.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/link/address.hpp"

namespace periprox {
class Loop;
}

namespace periprox::link {

/// A connection that was accepted.
struct Accepted {
  UniqueFd socket;
  std::string peer;  ///< For the log: "127.0.0.1:4711", "uid 1000, pid 4711", "vsock 3:4711".
};

/// Accepts connections until destroyed. A Unix socket's file is removed then.
class Listener {
 public:
  using OnAccept = std::function<void(Accepted)>;

  /// Listens at once. A stale Unix socket file, where nobody listens any more, is replaced.
  [[nodiscard]] static Result<Listener> open(Loop& loop, const Address& address,
                                             OnAccept on_accept);
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  /// Where it really listens: with the port that the system chose when 0 was asked for.
  [[nodiscard]] const Address& address() const;

 private:
  struct Impl;
  explicit Listener(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

/// How long the machine behind a TCP connection may be silent before the connection counts as
/// broken.
inline constexpr Duration kSilenceLimit = std::chrono::seconds(25);

/// Connects; `done` is called once, on the loop. Names are resolved on a helper thread. The socket
/// is tuned.
void connect(Loop& loop, const Address& address, Duration timeout,
             std::function<void(Result<UniqueFd>)> done, Duration silence_limit = kSilenceLimit);

/// TCP: no delay, and a keepalive that notices within `silence_limit` (whole seconds, at least 3)
/// that the peer has vanished. Unix: a large buffer.
void tune_socket(int fd, Duration silence_limit = kSilenceLimit);

}  // namespace periprox::link
