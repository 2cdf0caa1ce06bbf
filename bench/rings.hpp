// URBs through a shared-memory ring, and the yardstick: a ring with nothing around it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "bench/traffic.hpp"

namespace periprox::bench {

/// A RingClient on the calling thread, a RingServer on another, in one block of memory. Both spin;
/// the device copies the data of bulk transfers once.
class RingPath {
 public:
  RingPath();
  ~RingPath();
  RingPath(const RingPath&) = delete;
  RingPath& operator=(const RingPath&) = delete;

  [[nodiscard]] double run(const UrbShape& shape, std::size_t count, std::size_t in_flight);
  /// As Traffic::latencies().
  [[nodiscard]] const std::vector<double>& latencies() const;
  /// CPU seconds of the whole process while nothing is done for so long.
  [[nodiscard]] double idle_cpu(std::chrono::seconds how_long);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What a bare ring took.
struct BareRing {
  double seconds = 0;
  std::vector<double> latencies;  ///< Microseconds, ascending; with one in flight.
};

/// Two threads, two rings of 128-byte entries, an arena of as many pieces as are in flight: one
/// side submits, the other copies `size` bytes into (or out of) the entry's piece and answers.
[[nodiscard]] BareRing bare_ring(bool is_in, std::size_t size, std::size_t count,
                                 std::size_t in_flight);

}  // namespace periprox::bench
