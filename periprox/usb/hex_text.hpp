// Numbers of descriptors as text, in the way the standard writes them: "0x81", "1d6b", "2.00".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/bytes.hpp"

namespace periprox::usb {

/// `value` as "0x" and `digits` or more hexadecimal digits.
[[nodiscard]] std::string hex_text(std::uint32_t value, int digits = 2);
/// "08f7:0002": vendor and product as lsusb and usbip write them.
[[nodiscard]] std::string ids_text(std::uint16_t vendor, std::uint16_t product);
/// "05 24 06": the bytes in hexadecimal, a space between them.
[[nodiscard]] std::string hex_bytes(Bytes bytes);
/// The reverse of hex_bytes(): pairs of digits, with or without spaces between them; empty for
/// anything else.
[[nodiscard]] std::optional<std::vector<std::byte>> parse_hex_bytes(std::string_view text);
/// A binary-coded release number as people write it: 0x0210 is "2.10".
[[nodiscard]] std::string bcd_text(std::uint16_t bcd);

}  // namespace periprox::usb
