// Patience and bounds of ring sessions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "periprox/base/clock.hpp"

namespace periprox::session {

struct RingLimits {
  /// How often a side shows that it lives.
  Duration heartbeat = std::chrono::milliseconds(500);
  /// A side whose heartbeat stands still this long is gone.
  Duration silence = std::chrono::seconds(5);
  /// Exporter: an importer that has asked for nothing by then is not waited for. Importer: joining,
  /// importing and the first reading of descriptors together.
  Duration open_timeout = std::chrono::seconds(15);
  /// Importer: a cancelled URB that has not come back by then is given back as Cancelled.
  Duration cancel_timeout = std::chrono::seconds(5);
};

/// What is up to this size somebody may parse, so it is copied out of shared memory first; larger
/// data is used in place. Control data is copied whatever its size.
inline constexpr std::uint32_t kRingCopySize = 4096;

/// Entries that one look at the memory takes, before others on the loop have their turn.
inline constexpr int kRingBatch = 64;

}  // namespace periprox::session
