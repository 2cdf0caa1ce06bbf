// The one idea of the program: something that completes URBs.
//
// Plugged-in, emulated, recorded and remote devices are Devices, and so is every stage in front of
// one. Sessions, hosts and tests submit to them and know nothing else about them.
#pragma once

#include <cstdint>
#include <functional>

#include "periprox/base/payload.hpp"
#include "periprox/usb/device_model.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::usb {

/// Completes URBs. All calls and all completions happen on one thread, that of its event loop.
///
/// What every Device promises:
///  - each URB completes exactly once, also on cancel, unplug, link loss and shutdown;
///  - URBs of one endpoint complete in the order they were submitted (cancelled ones excepted);
///    different endpoints never wait for each other;
///  - an URB to an endpoint that the active settings do not have completes with Killed (-ENOENT);
///  - control requests that change the device are translated, not just forwarded:
///    SET_CONFIGURATION and SET_INTERFACE update model(), CLEAR_FEATURE(ENDPOINT_HALT) resets the
///    host side too, SET_ADDRESS is answered locally, and the hub class request
///    SET_FEATURE(PORT_RESET) (SetupPacket::port_reset()) resets the device, which keeps its
///    configuration, with all alternate settings back to 0.
class Device {
 public:
  virtual ~Device() = default;

  /// Identity, descriptors, and the active configuration and alternate settings.
  [[nodiscard]] virtual const DeviceModel& model() const = 0;

  /// Takes an URB; it comes back through its CompletionSink, possibly before this returns.
  virtual void submit(Urb urb) = 0;

  /// Wants an URB back early. It still completes exactly once through its sink (possibly before
  /// this returns): as Cancelled, or with its real outcome when the cancel lost the race.
  virtual void cancel(UrbHandle urb) = 0;

  /// Memory for the data of a transfer of `size` bytes that the device can use without copying.
  /// Empty when size is 0 or there is no memory.
  [[nodiscard]] virtual Payload allocate(std::uint32_t size) = 0;

  /// Asks to be told, once, when the device is gone for good (unplugged, link lost). Everything
  /// pending has completed by then; submit() still takes URBs and completes them with DeviceGone. A
  /// device that is gone already calls at once.
  virtual void on_gone(std::function<void()> handler) = 0;
};

}  // namespace periprox::usb
