// Makes things go wrong between a host and a device, on purpose and repeatably.
//
// How it works: each endpoint has a queue of the URBs under way, in the order of their submission.
// An URB that a rule answers itself stands in it beside those that the device has; one that came
// back stays until those before it have gone and its time has come. So whatever goes wrong, each
// URB completes once and in order, unless the rule is to reorder.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/stage/fault_dice.hpp"
#include "periprox/stage/fault_rule.hpp"
#include "periprox/usb/device.hpp"

namespace periprox::stage {

struct FaultOptions {
  std::vector<FaultRule> rules;
  /// Those of the rules, in their order; shared with the stage that has the device after a
  /// disconnect, which goes on counting.
  std::shared_ptr<std::vector<FaultDice>> dice;
  /// Told of each fault, just before the host sees the URB; the handle is empty when none is meant.
  std::function<void(usb::UrbHandle urb, const std::string& what)> note;
  /// Gets the device back when it is plugged in again after a disconnect; may destroy the stage.
  std::function<void(std::shared_ptr<usb::Device>)> reconnect;
};

/// A device in front of a device. Owns it alone. `timers` outlives it.
class FaultStage final : public usb::Device, private usb::CompletionSink {
 public:
  FaultStage(std::shared_ptr<usb::Device> device, FaultOptions options, Timers& timers);
  ~FaultStage() override;
  FaultStage(const FaultStage&) = delete;
  FaultStage& operator=(const FaultStage&) = delete;

  // usb::Device
  [[nodiscard]] const usb::DeviceModel& model() const override;
  void submit(usb::Urb urb) override;
  void cancel(usb::UrbHandle urb) override;
  [[nodiscard]] Payload allocate(std::uint32_t size) override;
  void on_gone(std::function<void()> handler) override;

 private:
  using Action = FaultRule::Action;
  /// One URB under way.
  struct Entry {
    std::uint64_t number = 0;
    usb::UrbHandle handle;
    usb::Urb urb;  ///< Here when the device does not have it.
    TimePoint due{};
    bool is_dropped = false;
    bool is_cancelled = false;
    bool has_memory = false;           ///< The host gave the memory for what comes in.
    std::vector<std::size_t> strikes;  ///< Rules that act when it comes back.
  };
  using Queue = std::deque<Entry>;

  [[nodiscard]] static std::size_t place_of(usb::EndpointAddress endpoint);
  /// Lets a rule act on an URB that is about to go down; true when it is not to go.
  [[nodiscard]] bool act_before(Entry& entry, std::size_t rule);
  void act_after(Entry& entry, std::size_t rule);
  void corrupt(Entry& entry, std::size_t rule);
  void submit_twice(const usb::UrbData& urb);
  [[nodiscard]] bool play_again(Entry& entry);
  void on_completed(usb::Urb urb, std::uint64_t number) override;
  void deliver(std::size_t place);
  void wake_at(TimePoint when);
  void let_all_go(usb::Status dropped_status);
  void tell_when_empty();
  [[nodiscard]] usb::UrbHandle next_with_device();
  void tell_gone();
  void plug_in_again();
  void call_later(Duration delay, void (FaultStage::*member)());
  void say(std::size_t rule, usb::UrbHandle urb, const std::string& what) const;

  std::shared_ptr<usb::Device> device_;
  FaultOptions options_;
  Timers& timers_;
  std::vector<TimePoint> free_at_;  // Of each rule that slows: when its line is free again.
  std::array<Queue, usb::kEndpointTableSize> queues_;
  std::array<std::optional<std::vector<std::byte>>, usb::kEndpointTableSize> again_;
  std::uint64_t last_number_ = 0;
  std::vector<usb::UrbHandle> copies_;  // URBs of our own that the device has.
  std::optional<TimerId> timer_;
  TimePoint timer_due_{};
  std::function<void()> gone_handler_;
  bool is_unplugged_ = false;  // By a rule.
  bool is_gone_ = false;
  int depth_ = 0;  // Of deliveries within deliveries.
  Duration pause_{};
  std::optional<usb::DeviceModel> last_model_;  // Once the device was given away.
  PayloadPool pool_;
  std::shared_ptr<FaultStage*> self_ = std::make_shared<FaultStage*>(this);
};

}  // namespace periprox::stage
