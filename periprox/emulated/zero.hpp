// Gadget zero (0525:a4a0), the device that Linux tests host controllers with.
//
// The kernel's usbtest module binds to it and runs its cases against alternate settings with bulk,
// isochronous and interrupt endpoints, the control requests 0x5b/0x5c, and halts. The second
// configuration echoes. Modelled on drivers/usb/gadget/legacy/zero.c with f_sourcesink.c and
// f_loopback.c of Linux, and on what drivers/usb/misc/usbtest.c expects.
#pragma once

#include <string>

#include "periprox/base/clock.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/emulated/declaration.hpp"

namespace periprox::emulated {

/// What a source sends and a sink expects.
enum class TestPattern : std::uint8_t {
  Zeros = 0,
  Mod63 = 1,  ///< Byte i of a transfer is (i % wMaxPacketSize) % 63.
  None = 2,   ///< Anything goes; the source sends zeros.
};

struct ZeroOptions {
  TestPattern pattern = TestPattern::Zeros;
  std::string serial_number = "0123456789.0123456789.0123456789";
  Periodic isochronous = {.max_packet_size = 1024, .interval = std::chrono::milliseconds(1)};
  Periodic interrupt = {.max_packet_size = 1024, .interval = std::chrono::milliseconds(1)};
};

/// Configuration 3 sources and sinks: alternate setting 0 has bulk endpoints, 1 adds isochronous, 2
/// adds interrupt ones. Configuration 2 echoes bulk data. A sink that finds a wrong byte takes the
/// transfer and halts its endpoint, as the gadget does; isochronous sinks only take.
/// Where the gadget would babble (a length that is no multiple of wMaxPacketSize), this one sends
/// exactly what was asked for.
[[nodiscard]] Declaration zero_declaration(const ZeroOptions& options);

[[nodiscard]] DeviceType zero_type();

}  // namespace periprox::emulated
