// The line with which an exporter opens a stream that some other program has connected: "devid
// speed\n", then USB/IP's URB phase at once, without its management phase.
//
// Source: Qubes OS, qubes-app-linux-usb-proxy (src/usb-export writes it, src/usb-import reads it).
// devid is decimal, speed is what Linux' sysfs says in Mbit/s ("1.5", "480", "5000"). Further words
// are reserved: a reader skips them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "periprox/base/result.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox::wire {

/// What an exporter says of its device.
struct ExportLine {
  std::uint32_t devid = 0;  ///< busnum << 16 | devnum.
  usb::Speed speed = usb::Speed::High;
  friend bool operator==(const ExportLine&, const ExportLine&) = default;
};

/// Longest line that is read, its end included.
inline constexpr std::size_t kLongestExportLine = 256;

/// The line, with its end.
[[nodiscard]] std::string encode_export_line(const ExportLine& line);
/// Reads a line without its end; Malformed for anything else than two words that are what they
/// should be, and perhaps more.
[[nodiscard]] Result<ExportLine> decode_export_line(std::string_view text);

}  // namespace periprox::wire
