// One open device node of usbfs: its ioctls as functions, nothing more.
//
// The interface exists so that the device above it runs, in tests, on a simulated kernel whose
// completions, refusals and races are made at will. Numbers are errno, 0 for success: what they
// mean depends on the call, so nobody but the caller can translate them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "periprox/base/result.hpp"
#include "periprox/physical/usbfs_abi.hpp"
#include "periprox/usb/endpoint_address.hpp"

namespace periprox::physical {

/// What one attempt to reap found.
struct Reaped {
  KernelUrb* urb = nullptr;  ///< Null when there was none.
  int error = 0;             ///< Why: EAGAIN nothing completed yet, ENODEV gone and drained.
};

/// An open device node. Every call takes the kernel's lock of the device, so a call waits while
/// another thread is within a slow one (reset, set_configuration, set_interface, ...).
class Usbfs {
 public:
  virtual ~Usbfs() = default;

  /// Becomes writable when an URB can be reaped, and hangs up when the device is gone.
  [[nodiscard]] virtual int pollable() const = 0;
  /// USBDEVFS_CAP_* bits.
  [[nodiscard]] virtual std::uint32_t capabilities() const = 0;
  /// True when the device has been unplugged; does not block.
  [[nodiscard]] virtual bool disconnected() const = 0;

  virtual int submit(KernelUrb& urb) = 0;
  virtual Reaped reap() = 0;
  /// Cancels and waits until the controller let go of the URB, which is then there to be reaped;
  /// EINVAL when it had completed already.
  virtual int discard(KernelUrb& urb) = 0;

  virtual int set_interface(std::uint8_t number, std::uint8_t alternate) = 0;
  virtual int set_configuration(std::uint8_t value) = 0;
  /// Starts the host's data toggle or sequence number of the endpoint anew; the device hears
  /// nothing of it. Quick: at most the host controller is waited for, never the bus.
  virtual int reset_endpoint(usb::EndpointAddress endpoint) = 0;
  virtual int reset() = 0;
  virtual int allocate_streams(std::span<const std::uint8_t> endpoints, std::uint32_t count) = 0;

  /// Detaches whatever kernel driver holds the interface and claims it, in one step.
  virtual int claim_interface(std::uint8_t number) = 0;
  virtual int release_interface(std::uint8_t number) = 0;
  /// Lets the kernel look for a driver for a released interface; waits for its probe.
  virtual int connect_driver(std::uint8_t number) = 0;
  /// On the node of a hub: keeps kernel drivers off whatever is on its port until this is closed.
  virtual int claim_port(std::uint32_t port) = 0;

  /// Kernel memory that URBs use without copying; null when there is none to be had. The memory
  /// stays valid until unmap(), also after this object is gone.
  virtual std::byte* map(std::size_t size) = 0;
  virtual void unmap(std::byte* memory, std::size_t size) = 0;
};

/// Opens the node at `path` ("/dev/bus/usb/001/005"). Blocks while the device is being reset.
[[nodiscard]] Result<std::unique_ptr<Usbfs>> open_usbfs(const std::string& path);

}  // namespace periprox::physical
