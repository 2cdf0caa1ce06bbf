// What the kernel says when a device comes or goes (lib/kobject_uevent.c): one datagram of
// "ACTION@DEVPATH" and then NAME=VALUE strings, each ended by a NUL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "periprox/base/bytes.hpp"

namespace periprox::physical {

/// A plugged-in device, as events name it.
struct DevicePresence {
  std::string busid;
  std::uint32_t busnum = 0;
  std::uint32_t devnum = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 sees a number in <=>.
  friend auto operator<=>(const DevicePresence&, const DevicePresence&) = default;
};

/// Something that happened to a USB device (not to an interface or a root hub).
struct UsbEvent {
  enum class Kind : std::uint8_t {
    Ready,    ///< "bind": the kernel has read it and chosen a configuration.
    Removed,  ///< "remove".
  };
  Kind kind = Kind::Ready;
  DevicePresence device;
  friend bool operator==(const UsbEvent&, const UsbEvent&) = default;
};

/// Reads one datagram; empty for events about anything else and for bytes that are no event.
[[nodiscard]] std::optional<UsbEvent> parse_uevent(Bytes datagram);

}  // namespace periprox::physical
