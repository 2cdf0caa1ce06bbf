// Drives one sans-IO protocol over one connection; knows nothing of USB.
#pragma once

#include <functional>
#include <memory>

#include "periprox/base/protocol.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox {
class Loop;
}

namespace periprox::link {

/// Moves bytes between a connection and a protocol until the protocol is finished. Bytes are read
/// into the places that the protocol names and written from where they lie (readv, writev): no copy
/// of a payload is made in user space. Lives on the loop's thread.
class Pump {
 public:
  /// Called once, when the protocol has finished and the connection is closed. The pump may be
  /// destroyed in it.
  using Ended = std::function<void(Protocol&)>;

  /// `in` and `out` are the two directions; pass one socket as `in` and nothing as `out`. They
  /// become non-blocking.
  Pump(Loop& loop, UniqueFd in, UniqueFd out, std::unique_ptr<Protocol> protocol, Ended ended);
  Pump(Loop& loop, UniqueFd socket, std::unique_ptr<Protocol> protocol, Ended ended);
  /// Drops the connection and the protocol at once, without calling `ended`. Not from within a call
  /// that the protocol makes.
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  [[nodiscard]] Protocol& protocol() const;
  /// Asks the protocol to end. `ended` is called when it has.
  void close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace periprox::link
