// The engine behind every emulated device: it takes a declaration and behaves like the hardware.
//
// It answers chapter 9 by itself, keeps one queue for each endpoint, halts and resets them, paces
// periodic endpoints on one frame clock, and asks the handlers of the declaration for everything
// else. Only the first URB of an endpoint is with a handler at any time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/base/payload.hpp"
#include "periprox/base/result.hpp"
#include "periprox/emulated/chapter9.hpp"
#include "periprox/emulated/declaration.hpp"
#include "periprox/emulated/descriptor_set.hpp"
#include "periprox/emulated/endpoint_queue.hpp"
#include "periprox/emulated/frame_clock.hpp"
#include "periprox/usb/device.hpp"

namespace periprox::emulated {

/// A usb::Device that exists only as a declaration. Single-threaded, on the loop of its timers.
///
/// Beyond what every usb::Device promises:
///  - it starts configured with its first configuration, as a host would have left it;
///  - bulk and control URBs complete within submit() when their handler answers at once; after
///    kInlineBudget completions in a row the rest waits for the event loop;
///  - interrupt transfers start at most once per interval, isochronous ones complete when their
///  last
///    frame is over; a late timer catches up and shifts nothing that follows. A host that keeps its
///    isochronous pipe filled misses no frame because we were late, up to kLatenessMadeUpFor;
///  - URBs on endpoints that SET_CONFIGURATION or SET_INTERFACE takes away complete with Shutdown,
///    as usb_hcd_flush_endpoint() of Linux gives them back (-ESHUTDOWN);
///  - destroying it completes what is pending with DeviceGone.
class EmulatedDevice final : public usb::Device {
 public:
  /// Fails with Usage when the declaration cannot run at `speed` or breaks a rule of the standard.
  /// `timers` outlives the device.
  [[nodiscard]] static Result<std::unique_ptr<EmulatedDevice>> create(Declaration declaration,
                                                                      usb::Speed speed,
                                                                      Timers& timers);
  ~EmulatedDevice();
  EmulatedDevice(const EmulatedDevice&) = delete;
  EmulatedDevice& operator=(const EmulatedDevice&) = delete;

  [[nodiscard]] const usb::DeviceModel& model() const override { return model_; }
  void submit(usb::Urb urb) override;
  void cancel(usb::UrbHandle urb) override;
  [[nodiscard]] Payload allocate(std::uint32_t size) override { return pool_.allocate(size); }
  void on_gone(std::function<void()> handler) override;

  /// Takes the device out of its port: everything pending completes with DeviceGone, then those who
  /// asked are told. Not to be called from a handler: ask the timers to.
  void unplug();

  /// URBs that complete in a row before the event loop gets its turn.
  static constexpr int kInlineBudget = 64;
  /// How late the device may be to serve an isochronous URB, and still lose none of its frames.
  static constexpr Duration kLatenessMadeUpFor = std::chrono::seconds(1);
  /// Largest transfer it takes; a longer one completes with NoMemory, as a host without memory has
  /// it.
  static constexpr std::uint32_t kMaxTransferLength = std::uint32_t{64} << 20;

 private:
  friend class Ticket;
  friend class InTransfer;
  friend class OutTransfer;
  friend class ControlTransfer;

  EmulatedDevice(Declaration declaration, DescriptorSet descriptors, usb::Speed speed,
                 Timers& timers);

  // What tickets ask and answer; `queue` is a place in queues_ whose first URB is with a handler.
  [[nodiscard]] bool is_with_handler(std::uint8_t queue, std::uint64_t id);
  [[nodiscard]] usb::UrbData& front(std::uint8_t queue) { return *queues_[queue].front().urb; }
  [[nodiscard]] std::uint16_t max_packet_size(std::uint8_t queue);
  [[nodiscard]] MutableBytes reserve(std::uint8_t queue, std::uint32_t count);
  void answer_in(std::uint8_t queue, Bytes data);
  void answer_filled(std::uint8_t queue, std::uint32_t count);
  void answer_filled_then_stall(std::uint8_t queue, std::uint32_t count);
  void answer_control(std::uint8_t queue, Bytes data);
  void answer_accept(std::uint8_t queue);
  void answer_accept_then_halt(std::uint8_t queue);
  void answer_stall(std::uint8_t queue, std::uint32_t moved = 0);

  // The queues.
  [[nodiscard]] std::optional<usb::Status> refusal(const usb::UrbData& urb) const;
  void schedule(EndpointQueue& queue, QueuedUrb& queued);
  void pump(std::uint8_t index);
  [[nodiscard]] bool is_due(std::uint8_t index);
  void settle(std::uint8_t index, usb::Status status, std::uint32_t actual_length);
  void flush(std::uint8_t index, usb::Status status);
  void flush_all(usb::Status status);
  void resume();
  void wake_at(std::uint8_t index, TimePoint when);
  void forget_timer(EndpointQueue& queue);

  // Serving the first URB of a queue.
  void serve(std::uint8_t index);
  void serve_control(std::uint8_t index);
  void serve_standard(std::uint8_t index);
  void serve_in(std::uint8_t index, const InHandler* handler);
  void serve_out(std::uint8_t index, const OutHandler* handler);
  void serve_isochronous(std::uint8_t index);
  void give_in(std::uint8_t index, Bytes data, bool from_surplus);
  [[nodiscard]] bool fill(usb::UrbData& urb, Bytes data);
  [[nodiscard]] const ControlHandler* find_handler(const usb::SetupPacket& setup) const;
  void charge_intervals(EndpointQueue& queue, std::uint32_t moved);

  // Changes of the device's state.
  void reset(usb::Urb urb);
  void activate_configuration(std::uint8_t value);
  void activate_setting(std::uint8_t interface_number, std::uint8_t alternate);
  void change_halt(usb::EndpointAddress endpoint, bool halted);
  void connect_endpoints();
  [[nodiscard]] const Configuration* active_declaration() const;
  [[nodiscard]] std::array<bool, usb::kEndpointTableSize> halts() const;

  const Declaration declaration_;
  const DescriptorSet descriptors_;
  usb::DeviceModel model_;
  Timers& timers_;
  FrameClock clock_;
  Chapter9 chapter9_;
  PayloadPool pool_;
  std::array<EndpointQueue, usb::kEndpointTableSize> queues_;
  std::vector<std::function<void()>> gone_handlers_;
  /// Points to this device until it is destroyed; shared with tickets and with frames of the stack
  /// that call out to sinks and handlers.
  std::shared_ptr<EmulatedDevice*> self_;
  std::uint64_t last_id_ = 0;
  /// Above 0 while the device changes: URBs are taken, but nothing is served.
  int paused_ = 0;
  bool gone_ = false;
};

}  // namespace periprox::emulated
