#include "periprox/usb/hex_text.hpp"

#include <string_view>

namespace periprox::usb {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

std::string digits_of(std::uint32_t value, int digits) {
  std::string text;
  for (int place = 7; place >= 0; --place) {
    const auto digit = (value >> (4 * place)) & 0xf;
    if (digit != 0 || !text.empty() || place < digits) text += kDigits[digit];
  }
  return text;
}

std::optional<unsigned> digit_value(char digit) {
  if (digit >= 'A' && digit <= 'F') digit = static_cast<char>(digit - 'A' + 'a');
  const auto place = kDigits.find(digit);
  if (place == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(place);
}

}  // namespace

std::string hex_text(std::uint32_t value, int digits) { return "0x" + digits_of(value, digits); }

std::string ids_text(std::uint16_t vendor, std::uint16_t product) {
  return hex_text(vendor, 4).substr(2) + ":" + hex_text(product, 4).substr(2);
}

std::string hex_bytes(Bytes bytes) {
  std::string text;
  text.reserve(bytes.size() * 3);
  for (const auto byte : bytes) {
    if (!text.empty()) text += ' ';
    text += digits_of(std::to_integer<std::uint32_t>(byte), 2);
  }
  return text;
}

std::optional<std::vector<std::byte>> parse_hex_bytes(std::string_view text) {
  std::vector<std::byte> bytes;
  while (!text.empty()) {
    if (text.front() == ' ' || text.front() == '\n') {
      text.remove_prefix(1);
      continue;
    }
    if (text.size() < 2) return std::nullopt;
    const auto high = digit_value(text[0]);
    const auto low = digit_value(text[1]);
    if (!high || !low) return std::nullopt;
    bytes.push_back(static_cast<std::byte>(*high << 4 | *low));
    text.remove_prefix(2);
  }
  return bytes;
}

std::string bcd_text(std::uint16_t bcd) {
  return digits_of(bcd >> 8, 1) + "." + digits_of(bcd & 0xff, 2);
}

}  // namespace periprox::usb
