// The sans-IO contract: a protocol is told what arrived, and says what it wants written and when it
// wants to be woken, which is when it learns what time it is. It never reaches a socket, so every
// cut and every race of a connection is a plain function call in a test.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "periprox/base/bytes.hpp"
#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"

namespace periprox {

/// A deadline whose start is "now", which only Protocol::woken() is told: wake_at() asks for that
/// at once.
inline constexpr TimePoint kStampLater = TimePoint::min();

/// Told by a protocol that something changed outside of a call from the pump (a device completed a
/// transfer): there may be output, room to read again, or an end.
class Waker {
 public:
  virtual void wake() = 0;

 protected:
  ~Waker() = default;
};

/// One side of one connection, driven by a pump (link::Pump). All calls come from one thread.
class Protocol {
 public:
  virtual ~Protocol() = default;

  /// Who to tell about changes between calls; set once, before anything else.
  virtual void set_waker(Waker* waker) = 0;

  /// Where the next bytes go, in order; at most kMaxReceiveSegments. Empty means: read nothing now
  /// (back-pressure). The places stay valid until received() or receive_ended().
  virtual std::span<const MutableBytes> receive_into() = 0;
  /// `count` bytes were read into those places (front to back).
  virtual void received(std::size_t count) = 0;
  /// No byte will come any more: the peer closed (no error) or the connection broke.
  virtual void receive_ended(std::optional<Error> error) = 0;

  /// Puts the segments to be written into `segments`, front first; returns how many. They stay
  /// valid until written().
  virtual std::size_t gather(std::span<Bytes> segments) = 0;
  /// `count` bytes of the gathered segments were written. Others may have been received meanwhile.
  virtual void written(std::size_t count) = 0;

  /// When woken() is wanted, if at all.
  [[nodiscard]] virtual std::optional<TimePoint> wake_at() const { return std::nullopt; }
  virtual void woken(TimePoint /*now*/) {}

  /// Asks for an end: pending work is cancelled, what must be said is said, then finished() is
  /// true.
  virtual void close() = 0;
  /// Nothing is pending and nothing will be written after what gather() still gives: the pump
  /// writes that, then closes the connection and drops the protocol.
  [[nodiscard]] virtual bool finished() const = 0;
  /// Why it ended, when that was not the wish of either side.
  [[nodiscard]] virtual const std::optional<Error>& failure() const = 0;

  static constexpr std::size_t kMaxReceiveSegments = 2;
};

}  // namespace periprox
