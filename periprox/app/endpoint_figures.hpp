// Counts and times of one endpoint, gathered from a capture.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "periprox/recorded/traced_transfer.hpp"

namespace periprox::app {

/// Four buckets for each doubling, so that a figure is at most a fifth too large.
class LatencyHistogram final {
 public:
  void add(std::uint64_t nanoseconds);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// The time that `share` (0 to 1) of the transfers stayed below, in nanoseconds.
  [[nodiscard]] std::uint64_t quantile(double share) const;
  /// A line for each doubling that occurred, with a bar.
  [[nodiscard]] std::string text() const;

 private:
  static constexpr std::size_t kBuckets = 4 * 64;
  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
};

struct EndpointFigures {
  usb::TransferType type = usb::TransferType::Control;
  std::uint64_t transfers = 0;
  std::uint64_t errors = 0;
  std::uint64_t bytes = 0;
  std::uint64_t first = 0;  ///< Submission of the first, completion of the last; nanoseconds.
  std::uint64_t last = 0;
  LatencyHistogram latency;

  void add(const recorded::TracedTransfer& transfer);
  [[nodiscard]] double bytes_per_second() const;
};

/// "12.3 us", "4.5 ms": a time with three digits.
[[nodiscard]] std::string time_text(std::uint64_t nanoseconds);

/// True when a transfer went wrong; one that the host cancelled did not.
[[nodiscard]] bool is_error(const recorded::TracedTransfer& transfer);

}  // namespace periprox::app
