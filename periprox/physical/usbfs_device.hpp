// A plugged-in device as a usb::Device: each URB is one URB of usbfs.
//
// The event loop submits and reaps without ever waiting for the bus. Requests that change the
// device's state (SET_CONFIGURATION, SET_INTERFACE, a reset) have calls of their own that block,
// with the kernel's lock of the device held; a helper thread makes them, and until it is done
// nothing else is asked of this device, because every call would wait for the same lock. URBs that
// the kernel has go on meanwhile. CLEAR_FEATURE(ENDPOINT_HALT) is sent to the device like any
// request; when it has succeeded the kernel is told to start that endpoint's data toggle anew.
//
// Order: a special request starts when the requests before it on endpoint 0 are done; URBs
// submitted after it, to any endpoint, reach the kernel after it. URBs submitted to an endpoint
// after its halt was asked to be cleared reach the kernel when that is done.
//
// The kernel limits the memory of all URBs in the system. An URB above the limit waits, its
// endpoint behind it, until others complete; it fails with NoMemory only when it cannot fit at all,
// or when no memory came free for a while and nothing of this device is on the way.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "periprox/base/clock.hpp"
#include "periprox/physical/blocking_pool.hpp"
#include "periprox/physical/claim.hpp"
#include "periprox/physical/usbfs.hpp"
#include "periprox/usb/device.hpp"

namespace periprox {
class Loop;
}

namespace periprox::physical {

struct UsbfsDeviceOptions {
  /// Most bytes of kernel memory mapped for payloads. 0 on machines whose controllers are not
  /// cache-coherent, where mapped memory is slow to read.
  std::size_t mapped_limit = std::size_t{8} << 20;
  /// usbfs_memory_mb in bytes; 0 = no limit, or not known.
  std::uint64_t usbfs_memory_limit = 0;
  /// How long an URB waits for memory while nothing that could free some is on the way.
  Duration memory_patience = std::chrono::seconds(2);
  /// Told, once, what a person could do to make transfers faster.
  std::function<void(std::string_view advice)> advise;
};

/// See the head of this file. Lives on the thread of `loop`, which outlives `pool`, which outlives
/// the device. Its destructor does not block: it completes everything as Cancelled, and the device
/// is given back to the kernel's drivers by the pool.
class UsbfsDevice final : public usb::Device {
 public:
  UsbfsDevice(Loop& loop, BlockingPool& pool, std::shared_ptr<Usbfs> usbfs,
              std::unique_ptr<Claim> claim, usb::DeviceModel model, UsbfsDeviceOptions options);
  ~UsbfsDevice() override;

  [[nodiscard]] const usb::DeviceModel& model() const override;
  void submit(usb::Urb urb) override;
  void cancel(usb::UrbHandle urb) override;
  [[nodiscard]] Payload allocate(std::uint32_t size) override;
  void on_gone(std::function<void()> handler) override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace periprox::physical
