// The one clock of a device's bus: frames of 1 ms, at high speed and above microframes of 125 us.
//
// Everything periodic is computed from the frame number, never from "now plus a period", so that a
// late timer shifts nothing that follows it.
#pragma once

#include <cstdint>

#include "periprox/base/clock.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox::emulated {

/// Converts between instants and (micro)frame numbers, which start at 0 at `epoch`.
class FrameClock {
 public:
  FrameClock(TimePoint epoch, usb::Speed speed)
      : epoch_(epoch),
        frame_(usb::uses_microframes(speed) ? std::chrono::microseconds(125)
                                            : std::chrono::microseconds(1000)) {}

  /// The (micro)frame that is running at `time`.
  [[nodiscard]] std::uint64_t frame_at(TimePoint time) const {
    return time <= epoch_ ? 0 : static_cast<std::uint64_t>((time - epoch_) / frame_);
  }
  /// When a (micro)frame begins.
  [[nodiscard]] TimePoint start_of(std::uint64_t frame) const {
    return epoch_ + frame_ * static_cast<Duration::rep>(frame);
  }

 private:
  TimePoint epoch_;
  Duration frame_;
};

}  // namespace periprox::emulated
