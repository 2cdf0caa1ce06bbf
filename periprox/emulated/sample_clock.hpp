// How many samples belong into each millisecond, and what an asynchronous sink tells the host about
// it.
//
// 44100 samples a second are 44.1 in a frame: nine packets of 44 and one of 45, over and over. The
// remainder is carried on in whole numbers, so that nothing is ever lost or invented however long a
// stream runs.
#pragma once

#include <algorithm>
#include <cstdint>

namespace periprox::emulated {

/// A sample clock that may run faster or slower than the bus, by parts per million.
class SampleClock {
 public:
  SampleClock(std::uint32_t rate, std::int32_t ppm)
      : per_frame_(std::int64_t{rate} * (kMillion + ppm)) {}

  /// Samples of the next frame of 1 ms.
  [[nodiscard]] std::uint32_t next() {
    remainder_ += per_frame_;
    const auto samples = remainder_ / kSample;
    remainder_ %= kSample;
    return static_cast<std::uint32_t>(samples);
  }
  /// Samples in a frame, in 1/65536.
  [[nodiscard]] std::int64_t per_frame_q16() const {
    return (per_frame_ * 65536 + kSample / 2) / kSample;
  }
  void restart() { remainder_ = 0; }

 private:
  static constexpr std::int64_t kMillion = 1'000'000;
  static constexpr std::int64_t kSample = 1000 * kMillion;

  std::int64_t per_frame_;  // Samples in 1/kSample.
  std::int64_t remainder_ = 0;
};

/// The explicit feedback of an asynchronous sink (USB 2.0, 5.12.4.2): the rate at which it plays,
/// and a little more or less while its buffer is emptier or fuller than it was to begin with.
class Feedback {
 public:
  explicit Feedback(SampleClock clock) : clock_(clock) {}

  /// One packet came, and one frame's samples were played.
  void take(std::uint32_t samples) {
    const auto fill = fill_ + samples - clock_.next();
    fill_ = std::clamp<std::int64_t>(fill, -kMostFill, kMostFill);
  }
  /// Samples in a frame that the host should send, in 1/65536.
  [[nodiscard]] std::uint32_t per_frame_q16() const {
    constexpr std::int64_t kOneSample = 65536;
    const auto correction =
        std::clamp(-fill_ * kOneSample / kFramesToMend, -kOneSample, kOneSample);
    return static_cast<std::uint32_t>(
        std::max<std::int64_t>(clock_.per_frame_q16() + correction, 0));
  }
  /// Samples in the buffer, beyond those at the start.
  [[nodiscard]] std::int64_t fill() const { return fill_; }
  void restart() {
    clock_.restart();
    fill_ = 0;
  }

 private:
  static constexpr std::int64_t kFramesToMend = 256;
  static constexpr std::int64_t kMostFill = 1 << 20;

  SampleClock clock_;
  std::int64_t fill_ = 0;
};

}  // namespace periprox::emulated
