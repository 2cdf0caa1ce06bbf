// The sans-IO contract of a session in shared memory: what Protocol is for a stream of bytes.
//
// It is told when to look at the memory and what time it is, and says whether the peer's doorbell
// is to be rung and whether it may sleep. It never waits and never makes a system call.
#pragma once

#include <optional>

#include "periprox/base/clock.hpp"
#include "periprox/base/protocol.hpp"
#include "periprox/base/result.hpp"

namespace periprox {

/// One side of one session in shared memory, driven by link::MemoryPump. All calls come from one
/// thread.
class MemoryProtocol {
 public:
  virtual ~MemoryProtocol() = default;

  /// Who to tell about changes between calls; set once, before anything else.
  virtual void set_waker(Waker* waker) = 0;

  /// Looks at the memory: takes some of what the peer has put there, publishes what there is for
  /// it. True when anything was found: then there may be more.
  virtual bool poll(TimePoint now) = 0;
  /// True when the peer sleeps and something was published for it; asked after every poll() and
  /// every wake(). The caller then rings its doorbell.
  [[nodiscard]] virtual bool must_ring_doorbell() = 0;
  /// Tells the peer that a doorbell is needed from now on. False when there is something to take
  /// already.
  [[nodiscard]] virtual bool may_fall_asleep() = 0;
  /// Takes that back; before the first poll() after it.
  virtual void wake_up() = 0;
  /// When poll() is wanted at the latest.
  [[nodiscard]] virtual std::optional<TimePoint> wake_at() const = 0;

  /// The peer is known to be gone (its process ended): nothing will come any more.
  virtual void peer_gone(std::optional<Error> error) = 0;
  /// Asks for an end, as Protocol::close().
  virtual void close() = 0;
  /// Nothing is pending: the memory may be used for something else.
  [[nodiscard]] virtual bool finished() const = 0;
  /// Why it ended, when that was not the wish of either side.
  [[nodiscard]] virtual const std::optional<Error>& failure() const = 0;
};

}  // namespace periprox
