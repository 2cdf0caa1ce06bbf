// Where a ring's memory comes from, and how its side waits: "ring:///run/p.ring?spin_us=100".
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/physical/locator.hpp"
#include "periprox/session/ring_limits.hpp"
#include "periprox/wire/ring.hpp"

namespace periprox::service {

/// A ring to export or to join.
struct RingAddress {
  enum class Kind : std::uint8_t {
    Socket,  ///< ring:///PATH: a Unix socket that hands out a memfd for each connection.
    File,    ///< ring+file:///PATH: a file that others map, as QEMU's ivshmem-plain does.
    Pci,     ///< ring+pci://0000:00:05.0: the ivshmem device of this guest.
  };

  Kind kind = Kind::Socket;
  std::string place;  ///< Path or PCI address.
  /// spin_us=: how long to look on at the memory when nothing has moved, before sleeping.
  Duration spin = std::chrono::microseconds(50);
  /// cpu=: the processor to run on.
  std::optional<int> cpu;
  /// heartbeat_ms=: how often this side shows that it lives.
  std::optional<Duration> heartbeat;
  /// silence_s=: how long the other side's heartbeat may stand still.
  std::optional<Duration> silence;
  /// arena_mib=: what an exporter makes for data.
  std::uint64_t arena = wire::ring::kDefaultArena;
  /// uncached=1: maps a BAR uncached instead of write-combining.
  bool is_uncached = false;

  /// Without the settings.
  [[nodiscard]] std::string text() const;
  /// Those given, with what the settings say in their place.
  [[nodiscard]] session::RingLimits limits(session::RingLimits given = {}) const;
  friend bool operator==(const RingAddress&, const RingAddress&) = default;
};

/// A device behind a ring.
struct RingLocator {
  RingAddress ring;
  physical::Locator device;
  friend bool operator==(const RingLocator&, const RingLocator&) = default;
};

/// True for "ring://...", "ring+file://..." and "ring+pci://...", sound or not.
[[nodiscard]] bool is_ring(std::string_view text);
/// Reads the address of a ring; Usage says what is wrong.
[[nodiscard]] Result<RingAddress> parse_ring_address(std::string_view text);
/// Reads an address with a device: "/BUSID" behind it, or "?busid=BUSID"; ids in its place.
[[nodiscard]] Result<RingLocator> parse_ring_locator(std::string_view text);

}  // namespace periprox::service
