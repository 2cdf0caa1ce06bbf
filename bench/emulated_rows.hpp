// The rows of the table about emulated devices, driven from this process.
#pragma once

#include <chrono>

#include "bench/report.hpp"

namespace periprox::bench {

/// A disk beside its image file itself: commands of 1 MiB one after the other, and of 4 KiB here
/// and there.
void storage_rows(Bench& bench);
/// Frames that an isochronous pipe of 8000 packets a second misses in that time.
void isochronous_rows(Bench& bench, std::chrono::seconds how_long);

}  // namespace periprox::bench
