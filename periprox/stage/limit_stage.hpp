// Keeps a device, the bus and the other sessions safe from one that misbehaves: what passes may be
// limited, a device that fails is left alone for a while, and what nobody wants any more is found.
//
// How it works: each endpoint has a queue of the URBs under way, in the order of their submission:
// those that wait for their turn, those that the device has, and those that are refused, which come
// back when the ones before them have. So whatever is held back, each URB completes once and in
// order.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "periprox/base/clock.hpp"
#include "periprox/stage/circuit_breaker.hpp"
#include "periprox/stage/rate_limiter.hpp"
#include "periprox/usb/device.hpp"

namespace periprox::stage {

struct LimitOptions {
  /// Shared by the stages of all devices; null: nothing is rationed.
  std::shared_ptr<RateLimiter> limiter;
  std::optional<LimitRule> breaker;
  /// How long a device may keep what was cancelled.
  std::optional<Duration> patience;
  /// Told what a person should know: a whole sentence about the device, without its name.
  std::function<void(const std::string& what)> say;
};

/// A device in front of a device. Owns it alone. `timers` outlives it.
class LimitStage final : public usb::Device,
                         private usb::CompletionSink,
                         private RateLimiter::Member {
 public:
  LimitStage(std::shared_ptr<usb::Device> device, LimitOptions options, Timers& timers);
  ~LimitStage() override;
  LimitStage(const LimitStage&) = delete;
  LimitStage& operator=(const LimitStage&) = delete;

  /// Whoever submitted is gone: cancels what is still under way, and says how much that was.
  void abandon();

  // usb::Device
  [[nodiscard]] const usb::DeviceModel& model() const override { return device_->model(); }
  void submit(usb::Urb urb) override;
  void cancel(usb::UrbHandle urb) override;
  [[nodiscard]] Payload allocate(std::uint32_t size) override { return device_->allocate(size); }
  void on_gone(std::function<void()> handler) override;

 private:
  enum class Where : std::uint8_t { Waits, AtDevice, Refused };
  /// One URB under way.
  struct Entry {
    std::uint64_t number = 0;
    usb::UrbHandle handle;
    Where where = Where::Waits;
    bool counts = true;  ///< The breaker learns from it.
    usb::Urb urb;        ///< Here unless the device has it.
    TimePoint due{};     ///< When a refusal may be told.
    std::optional<TimePoint> cancelled_at;
  };
  using Queue = std::deque<Entry>;

  void send_next() override;
  [[nodiscard]] bool is_waiting() const override { return !waiting_.empty(); }
  void on_completed(usb::Urb urb, std::uint64_t number) override;
  void send(std::size_t place, std::uint64_t number);
  void deliver(std::size_t place);
  void deliver_all();
  void give_up_waiting();
  void look_for_orphans();
  void tell_gone();
  void call_at(std::optional<TimerId>& timer, TimePoint when, void (LimitStage::*member)());

  std::shared_ptr<usb::Device> device_;
  LimitOptions options_;
  Timers& timers_;
  std::optional<CircuitBreaker> breaker_;
  std::array<Queue, usb::kEndpointTableSize> queues_;
  std::deque<std::pair<std::size_t, std::uint64_t>> waiting_;  // Places and numbers, oldest first.
  std::uint64_t last_number_ = 0;
  std::uint64_t refused_ = 0;  // Since the breaker opened.
  std::optional<TimerId> deliver_timer_;
  std::optional<TimerId> orphan_timer_;
  bool was_reset_ = false;  // For the orphans that there are now.
  bool is_ending_ = false;
  bool is_gone_ = false;
  std::function<void()> gone_handler_;
  std::shared_ptr<LimitStage*> self_ = std::make_shared<LimitStage*>(this);
};

}  // namespace periprox::stage
