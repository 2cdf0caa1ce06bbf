// The inside of UsbfsDevice; included by its own sources only.
#pragma once

#include <array>
#include <bitset>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "periprox/base/ring_queue.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/physical/mapped_pool.hpp"
#include "periprox/physical/transfer_list.hpp"
#include "periprox/physical/usbfs_device.hpp"

namespace periprox::physical {

/// Everything that UsbfsDevice does. Handlers of the event loop hold it weakly; it lives on while
/// one of them runs, so a completion may destroy the device.
class UsbfsDevice::Impl final : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, BlockingPool& pool, std::shared_ptr<Usbfs> usbfs, std::unique_ptr<Claim> claim,
       usb::DeviceModel model, UsbfsDeviceOptions options);
  ~Impl();

  void open();
  void close();
  [[nodiscard]] const usb::DeviceModel& model() const { return model_; }
  [[nodiscard]] Payload allocate(std::uint32_t size) { return payloads_.allocate(size); }
  void submit(usb::Urb urb);
  void cancel(usb::UrbHandle urb);
  void on_gone(std::function<void()> handler);

 private:
  /// What helper threads use. The mutex is theirs among each other: the loop makes no call while
  /// the gate is closed.
  struct Core {
    std::mutex mutex;
    std::shared_ptr<Usbfs> usbfs;
    std::unique_ptr<Claim> claim;
  };

  // Handing over (usbfs_device.cpp).
  Transfer& take_transfer();
  [[nodiscard]] static std::size_t list_index(const Transfer& transfer);
  TransferList& list_of(const Transfer& transfer) { return lists_[list_index(transfer)]; }
  void pump(std::size_t index);
  void pump_all();
  bool hand_over(TransferList& list, Transfer& transfer);
  void refuse(TransferList& list, Transfer& transfer, usb::Status status);
  void retire(TransferList& list, Transfer& transfer);
  void hand_back(TransferList& list, Transfer& transfer);
  void discard(Transfer& transfer);
  void drop_unsent(Transfer& transfer, usb::Status status);
  static usb::EndpointAddress halt_target(const Transfer& transfer);
  void release_hold(Transfer& transfer);
  template <typename Method>
  auto weakly(Method method);

  // Completions and the end (usbfs_device_events.cpp).
  void update_wants();
  void on_ready(Ready ready);
  void reap(std::size_t most);
  void on_reaped(KernelUrb& piece);
  [[nodiscard]] KilledBy killed_by() const;
  void on_hangup();
  void drain_gone();
  void finish_gone();

  // Special requests (usbfs_device_special.cpp).
  void start_special(TransferList& list, Transfer& transfer);
  void finish_special(const RequestOutcome& outcome);
  void start_streams(usb::EndpointAddress endpoint);
  void finish_streams(const std::vector<std::uint8_t>& endpoints, int error);
  [[nodiscard]] std::vector<std::uint8_t> stream_endpoints(usb::EndpointAddress endpoint) const;
  void close_gate();
  void open_gate();
  void forget_special(const Transfer& transfer);

  // Memory (usbfs_device_memory.cpp).
  bool starve(const Transfer& transfer);
  void retry_later();
  void give_up_starved();

  Loop& loop_;
  BlockingPool& pool_;
  std::shared_ptr<Core> core_;
  Usbfs& usbfs_;
  usb::DeviceModel model_;
  UsbfsDeviceOptions options_;
  MappedPool payloads_;
  std::optional<Watch> watch_;
  TimerId gone_timer_{};
  TimerId memory_timer_{};

  // All records; shared because the kernel may know them longer than this lives.
  std::shared_ptr<std::vector<std::unique_ptr<Transfer>>> transfers_;
  Transfer* free_ = nullptr;                                 // A list by `after`.
  std::array<TransferList, usb::kEndpointTableSize> lists_;  // Endpoint 0 has one, the first.
  std::vector<Transfer*> specials_;                          // Waiting or running, oldest first.
  std::array<unsigned, usb::kEndpointTableSize> holds_{};    // Halts being cleared.
  std::vector<std::function<void()>> gone_handlers_;
  std::uint64_t last_serial_ = 0;
  std::size_t in_kernel_ = 0;  // Pieces.
  std::bitset<usb::kEndpointTableSize> streams_ready_;
  std::bitset<usb::kEndpointTableSize> streams_refused_;

  bool gate_closed_ = false;  // A helper thread has the kernel's lock of the device.
  bool resetting_ = false;    // The special request that is being finished was a reset.
  bool cancels_wait_ = false;
  bool hung_up_ = false;
  bool gone_ = false;
  bool closed_ = false;
  bool starved_ = false;
  bool advised_ = false;
  bool retrying_ = false;
  unsigned idle_retries_ = 0;
  unsigned drain_tries_ = 0;
};

/// Wraps a method into a handler that does nothing once the device is destroyed.
template <typename Method>
auto UsbfsDevice::Impl::weakly(Method method) {
  return [weak = weak_from_this(), method] {
    if (const auto self = weak.lock(); self && !self->closed_) method(*self);
  };
}

}  // namespace periprox::physical
