// From a server's socket to a file, a pipe or a FIFO.
#pragma once

#include <cstdint>
#include <string>

#include "periprox/app/watched.hpp"
#include "periprox/base/result.hpp"

namespace periprox::app {

/// Captures what passes `device` into `file` (as CaptureOutput::open()) until a signal comes, the
/// device is gone, or nobody reads any more. True when it was the device that ended it.
Result<bool> copy_capture(const WatchedDevice& device, const std::string& file,
                          std::uint32_t snap_length);

}  // namespace periprox::app
