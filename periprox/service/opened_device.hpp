// A device that a locator led to, with whatever keeps it working.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "periprox/stage/capture_stage.hpp"
#include "periprox/usb/device.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::service {

/// What a device is opened for.
enum class Use : std::uint8_t {
  Whole,  ///< Everything; a plugged-in device is taken from the kernel's drivers meanwhile.
  Look,   ///< Its descriptors; a plugged-in device stays with its drivers.
};

/// Owns a device. Its last owner must not drop it from within a call that the device makes.
struct OpenedDevice {
  /// Shares ownership of what the device lives on (its connection, its file descriptor).
  std::shared_ptr<usb::Device> device;
  /// Where a plugged-in device stands; empty for one that has no place on this machine.
  std::optional<wire::usbip::DeviceAddress> address;
  /// busnum << 16 | devnum at the server that a remote device is exported by; else 0.
  std::uint32_t devid = 0;
  /// The locator, for people.
  std::string name;
  /// Where captures of it begin and end; empty when there is none of these stages.
  std::weak_ptr<stage::CaptureStage> capture = {};
  /// Cancels what a client has left under way, and reports it; empty when nothing looks for that.
  std::function<void()> abandon = {};
};

/// Where a device is said to stand when it is handed on: its own place, else that at its server,
/// else one that is made up.
[[nodiscard]] inline wire::usbip::DeviceAddress place_of(const OpenedDevice& opened) {
  if (opened.address) return *opened.address;
  const std::uint32_t devid = opened.devid != 0 ? opened.devid : 0x0001'0001;
  return {.path = {},
          .busid = std::to_string(devid >> 16) + "-" + std::to_string(devid & 0xffff),
          .busnum = static_cast<std::uint16_t>(devid >> 16),
          .devnum = static_cast<std::uint16_t>(devid)};
}

}  // namespace periprox::service
