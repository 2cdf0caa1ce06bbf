// URBs of one shape to one or several devices, always so many in flight.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "periprox/usb/device.hpp"

namespace periprox {
class Loop;
}

namespace periprox::bench {

/// One shape of traffic.
struct UrbShape {
  usb::TransferType type = usb::TransferType::Control;
  bool is_in = true;
  std::uint32_t size = 18;
};

/// Submits to the devices in turn. Ends the program when an URB fails: then nothing was measured.
class Traffic final : private usb::CompletionSink {
 public:
  explicit Traffic(Loop& loop) : loop_(loop) {}
  void add(usb::Device& device) { devices_.push_back(&device); }

  /// Seconds for `count` URBs, at most `in_flight` of them pending.
  [[nodiscard]] double run(const UrbShape& shape, std::size_t count, std::size_t in_flight);
  /// Microseconds of each URB of the last run, if that had one in flight; in ascending order.
  [[nodiscard]] const std::vector<double>& latencies() const { return latencies_; }

 private:
  using Clock = std::chrono::steady_clock;

  void submit_next();
  void on_completed(usb::Urb urb, std::uint64_t cookie) override;

  Loop& loop_;
  usb::UrbPool urbs_;
  std::vector<usb::Device*> devices_;
  UrbShape shape_;
  std::size_t count_ = 0;
  std::size_t submitted_ = 0;
  std::size_t completed_ = 0;
  bool one_by_one_ = false;
  Clock::time_point sent_at_{};
  std::vector<double> latencies_;
};

}  // namespace periprox::bench
