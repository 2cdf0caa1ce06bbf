// A device that a locator led to, with whatever keeps it working.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "periprox/usb/device.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::service {

/// Owns a device. Its last owner must not drop it from within a call that the device makes.
struct OpenedDevice {
  /// Shares ownership of what the device lives on (its connection, its file descriptor).
  std::shared_ptr<usb::Device> device;
  /// Where a plugged-in device stands; empty for one that has no place on this machine.
  std::optional<wire::usbip::DeviceAddress> address;
  /// The locator, for people.
  std::string name;
  /// Writes a line beside the traffic in the capture; empty when there is none.
  std::function<void(std::string)> note = {};
};

}  // namespace periprox::service
