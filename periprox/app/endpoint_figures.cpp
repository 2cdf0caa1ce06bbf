#include "periprox/app/endpoint_figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace periprox::app {
namespace {

constexpr std::size_t kPerDoubling = 4;
constexpr std::size_t kBarWidth = 40;

std::size_t bucket_of(std::uint64_t value) {
  if (value < kPerDoubling) return value;
  const auto doubling = static_cast<std::size_t>(std::bit_width(value)) - 1;
  return kPerDoubling * doubling + (value >> (doubling - 2) & 3);
}

/// The largest value of a bucket.
std::uint64_t bucket_end(std::size_t bucket) {
  const auto doubling = bucket / kPerDoubling;
  if (doubling < 2) return bucket;
  const auto step = std::uint64_t{1} << (doubling - 2);
  return (std::uint64_t{1} << doubling) + step * (bucket % kPerDoubling + 1) - 1;
}

}  // namespace

void LatencyHistogram::add(std::uint64_t nanoseconds) {
  ++buckets_[bucket_of(nanoseconds)];
  ++count_;
}

std::uint64_t LatencyHistogram::quantile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen > wanted || (seen == count_ && seen > 0)) return bucket_end(i);
  }
  return 0;
}

std::string LatencyHistogram::text() const {
  std::array<std::uint64_t, kBuckets / kPerDoubling> doublings{};
  for (std::size_t i = 0; i < kBuckets; ++i) doublings[i / kPerDoubling] += buckets_[i];
  const auto most = *std::ranges::max_element(doublings);
  std::string text;
  for (std::size_t i = 0; i < doublings.size(); ++i) {
    if (doublings[i] == 0) continue;
    const auto width = std::max<std::size_t>(1, doublings[i] * kBarWidth / most);
    text += fmt::format("      below {:>9}  {:<{}} {}\n", time_text(std::uint64_t{2} << i),
                        std::string(width, '#'), kBarWidth, doublings[i]);
  }
  return text;
}

void EndpointFigures::add(const recorded::TracedTransfer& transfer) {
  type = transfer.type;
  if (transfers++ == 0) first = transfer.submitted;
  last = std::max(last, transfer.completed);
  if (is_error(transfer)) ++errors;
  bytes += transfer.actual_length;
  latency.add(transfer.latency());
}

double EndpointFigures::bytes_per_second() const {
  if (last <= first) return 0;
  return static_cast<double>(bytes) * 1e9 / static_cast<double>(last - first);
}

std::string time_text(std::uint64_t nanoseconds) {
  const auto value = static_cast<double>(nanoseconds);
  const auto digits = [](double number) { return number < 10 ? 2 : number < 100 ? 1 : 0; };
  for (const auto& [unit, name] : {std::pair{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}}) {
    if (value >= unit) return fmt::format("{:.{}f} {}", value / unit, digits(value / unit), name);
  }
  return fmt::format("{} ns", nanoseconds);
}

bool is_error(const recorded::TracedTransfer& transfer) {
  using enum usb::Status;
  if (transfer.status != Ok && transfer.status != Cancelled && transfer.status != Killed)
    return true;
  return std::ranges::any_of(transfer.iso_packets, [](const auto& packet) {
    return packet.status != Ok && packet.status != InProgress;
  });
}

}  // namespace periprox::app
