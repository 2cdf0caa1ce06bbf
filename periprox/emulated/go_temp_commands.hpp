// The command side of a Go!Temp: 8-byte commands in, response packets out (GSkipComm.h of the GoIO
// SDK; Go!Temp is called Jonah there).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/clock.hpp"

namespace periprox::emulated {

using GoTempPacket = std::array<std::uint8_t, 8>;

/// What commands read and change.
struct GoTempState {
  bool measuring = true;
  Duration period = std::chrono::milliseconds(500);
  Duration default_period = std::chrono::milliseconds(500);
  std::uint8_t led_color = 0;  ///< 0x40 red, 0x80 green, 0 both, 0xc0 off.
  std::uint8_t led_brightness = 0x10;
  std::uint32_t serial_counter = 1;
  /// Calibration and identity of the sensor: the record that the SDK calls DDS.
  std::array<std::uint8_t, 128> memory{};
};

/// The sensor record of a Go!Temp: linear calibration with which the SDK turns raw numbers into
/// degrees Celsius.
[[nodiscard]] std::array<std::uint8_t, 128> go_temp_memory(std::uint32_t serial_counter);

inline constexpr std::uint8_t kGoTempInit = 0x1a;

/// Carries out one command; returns the packets to be sent for it, never none. A command shorter
/// than 8 bytes counts as padded with zeros.
[[nodiscard]] std::vector<GoTempPacket> run_go_temp_command(Bytes command, GoTempState& state);

}  // namespace periprox::emulated
