// The Vernier Go!Temp (08f7:0002), a low-speed USB thermometer; Linux' ldusb driver binds to it.
//
// An HID device in name only: it sends raw packets of 8 bytes on its interrupt endpoint and takes
// commands by SET_REPORT. Descriptors are those of version 1.53; packets and commands are those of
// the GoIO SDK (GSkipComm.h, GUSBDirectTempDevice). It measures from the moment it is plugged in:
// programs read /dev/ldusb0 without sending anything.
#pragma once

#include <string>

#include "periprox/base/clock.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/emulated/declaration.hpp"
#include "periprox/emulated/temperature.hpp"

namespace periprox::emulated {

struct GoTempOptions {
  TemperatureSource temperature = constant_temperature(21'500'000);
  Duration period = std::chrono::milliseconds(500);
  std::string serial_number = {};  ///< The real device has none.
};

/// One measurement in each packet: byte 0 is 1, byte 1 counts measurements, then the temperature in
/// 1/128 degree Celsius as a little-endian 16-bit number, then zeros. The first packet is there as
/// soon as a host asks, the next ones each period; a temperature is taken from the source only when
/// its packet goes out, so what nobody asked for is not lost.
[[nodiscard]] Declaration go_temp_declaration(GoTempOptions options, Timers& timers);

[[nodiscard]] DeviceType go_temp_type();

}  // namespace periprox::emulated
