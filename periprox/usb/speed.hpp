// The speeds of USB, with the numbers that Linux and USB/IP give them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace periprox::usb {

/// Values are those of enum usb_device_speed in Linux (uapi/linux/usb/ch9.h), which USB/IP sends.
enum class Speed : std::uint8_t {
  Low = 1,
  Full = 2,
  High = 3,
  Wireless = 4,
  Super = 5,
  SuperPlus = 6
};

/// The speed of a number from the wire or the kernel; empty for any other number.
[[nodiscard]] constexpr std::optional<Speed> speed_from_code(std::uint32_t code) {
  if (code < 1 || code > 6) return std::nullopt;
  return static_cast<Speed>(code);
}

/// "low", "full", "high", "wireless", "super", "super-plus".
[[nodiscard]] std::string_view speed_name(Speed speed);
/// The reverse of speed_name().
[[nodiscard]] std::optional<Speed> parse_speed(std::string_view name);
/// What sysfs and Qubes print, in Mbit/s: "1.5", "12", "480", "53.3-480", "5000", "10000".
[[nodiscard]] std::string_view speed_mbps(Speed speed);
/// The reverse of speed_mbps(); also takes "20000".
[[nodiscard]] std::optional<Speed> parse_speed_mbps(std::string_view mbps);

/// True when intervals and isochronous packets count in microframes (125 us), not frames (1 ms).
[[nodiscard]] constexpr bool uses_microframes(Speed speed) { return speed >= Speed::High; }
/// True for SuperSpeed and above, which have their own descriptors and packet sizes.
[[nodiscard]] constexpr bool is_super(Speed speed) { return speed >= Speed::Super; }

}  // namespace periprox::usb
