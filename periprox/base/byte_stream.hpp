// Bytes in both directions that never make anybody wait: what an emulated serial port is joined to,
// and where an emulated keyboard gets its text from. A pty, a TCP connection, a child's standard
// input and output, a file.
//
// Whoever uses one needs neither sockets nor an event loop; those are behind it (service/streams).
#pragma once

#include <cstddef>
#include <functional>

#include "periprox/base/bytes.hpp"

namespace periprox {

/// Single-threaded, on the loop it was made for. Destroying it forgets all callbacks, which are
/// never made from within a call.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Reads what has arrived, at most room.size() bytes; 0 when there is nothing now.
  virtual std::size_t read(MutableBytes room) = 0;
  /// Writes as much as there is room for; returns how much that was. While nobody is at the other
  /// end it takes everything and drops it, as an unconnected cable does.
  virtual std::size_t write(Bytes data) = 0;
  /// True when everything was read and nothing will ever arrive again.
  [[nodiscard]] virtual bool read_ended() const = 0;

  /// Calls back once when read() is worth trying, or read_ended() came true. A second call replaces
  /// the first.
  virtual void when_readable(std::function<void()> callback) = 0;
  /// Calls back once when write() is worth trying.
  virtual void when_writable(std::function<void()> callback) = 0;

  /// Whether somebody is at the other end.
  [[nodiscard]] virtual bool is_connected() const = 0;
  /// Calls back each time that is_connected() changes.
  virtual void on_connection(std::function<void()> callback) = 0;
};

}  // namespace periprox
