// The rows of the table about shared-memory rings.
#pragma once

#include "bench/report.hpp"

namespace periprox::bench {

/// One URB at a time, both sides awake.
void ring_round_trips(Bench& bench);
/// 4 KiB to 1 MiB, 1 to 32 in flight.
void ring_throughput(Bench& bench);
/// What a session costs that has nothing to do.
void ring_idle(Bench& bench);

}  // namespace periprox::bench
