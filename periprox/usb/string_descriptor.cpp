// String descriptors (USB 2.0, 9.6.7): UTF-16LE on the bus, UTF-8 here.
#include <algorithm>
#include <array>

#include "periprox/usb/configuration.hpp"

namespace periprox::usb {
namespace {

constexpr char32_t kReplacement = 0xfffd;
constexpr std::size_t kMaxUnits = 126;  // bLength is one byte: (255 - 2) / 2

bool is_high_surrogate(char32_t unit) { return unit >= 0xd800 && unit <= 0xdbff; }
bool is_low_surrogate(char32_t unit) { return unit >= 0xdc00 && unit <= 0xdfff; }

/// The UTF-16 units of a string descriptor; empty when the bytes are none. What bLength promises
/// beyond the bytes, and an odd byte at the end, are left out.
std::optional<std::vector<std::uint16_t>> units_of(Bytes bytes) {
  const auto header = read_as<DescriptorHeader>(bytes);
  if (!header || header->bLength < sizeof(DescriptorHeader) ||
      header->bDescriptorType != static_cast<std::uint8_t>(DescriptorType::String)) {
    return std::nullopt;
  }
  ByteReader reader(bytes.first(std::min<std::size_t>(header->bLength, bytes.size())));
  (void)reader.take<DescriptorHeader>();
  std::vector<std::uint16_t> units;
  while (const auto unit = reader.take<le16>()) units.push_back(*unit);
  return units;
}

std::vector<std::byte> string_descriptor(std::span<const std::uint16_t> units) {
  units = units.first(std::min(units.size(), kMaxUnits));
  ByteWriter out;
  out.put(DescriptorHeader{static_cast<std::uint8_t>(sizeof(DescriptorHeader) + 2 * units.size()),
                           static_cast<std::uint8_t>(DescriptorType::String)});
  for (const auto unit : units) out.put(le16(unit));
  return out.release();
}

void append_utf8(std::string& text, char32_t point) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | ((point >> shift) & 0x3f)); };
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xc0 | (point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    text += static_cast<char>(0xe0 | (point >> 12));
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0 | (point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

/// Takes one code point off the front of UTF-8 `text`, which is not empty; malformed, overlong and
/// surrogate sequences become U+FFFD, one for each byte that starts none.
char32_t take_utf8(std::string_view& text) {
  struct Form {
    unsigned char mask, lead;
    std::size_t size;
    char32_t least;
  };
  constexpr std::array kForms{Form{0x80, 0x00, 1, 0}, Form{0xe0, 0xc0, 2, 0x80},
                              Form{0xf0, 0xe0, 3, 0x800}, Form{0xf8, 0xf0, 4, 0x10000}};
  const auto lead = static_cast<unsigned char>(text.front());
  for (const auto& form : kForms) {
    if ((lead & form.mask) != form.lead || text.size() < form.size) continue;
    char32_t point = lead & static_cast<unsigned char>(~form.mask);
    bool sound = true;
    for (const auto letter : text.substr(1, form.size - 1)) {
      sound = sound && (static_cast<unsigned char>(letter) & 0xc0) == 0x80;
      point = point << 6 | (static_cast<unsigned char>(letter) & 0x3f);
    }
    const bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
    if (!sound || point < form.least || point > 0x10ffff || is_surrogate) break;
    text.remove_prefix(form.size);
    return point;
  }
  text.remove_prefix(1);
  return kReplacement;
}

}  // namespace

std::optional<std::string> parse_string(Bytes bytes) {
  const auto units = units_of(bytes);
  if (!units) return std::nullopt;
  std::string text;
  for (std::size_t i = 0; i < units->size(); ++i) {
    const char32_t unit = (*units)[i];
    const char32_t next = i + 1 < units->size() ? (*units)[i + 1] : 0;
    if (is_high_surrogate(unit) && is_low_surrogate(next)) {
      append_utf8(text, 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00));
      ++i;
    } else {
      append_utf8(text, is_high_surrogate(unit) || is_low_surrogate(unit) ? kReplacement : unit);
    }
  }
  return text;
}

std::vector<std::byte> build_string(std::string_view text) {
  std::vector<std::uint16_t> units;
  while (!text.empty()) {
    const char32_t point = take_utf8(text);
    if (units.size() + (point < 0x10000 ? 1 : 2) > kMaxUnits) break;
    if (point < 0x10000) {
      units.push_back(static_cast<std::uint16_t>(point));
    } else {
      units.push_back(static_cast<std::uint16_t>(0xd800 + ((point - 0x10000) >> 10)));
      units.push_back(static_cast<std::uint16_t>(0xdc00 + ((point - 0x10000) & 0x3ff)));
    }
  }
  return string_descriptor(units);
}

std::vector<std::byte> build_language_list(std::span<const std::uint16_t> languages) {
  return string_descriptor(languages);
}

std::vector<std::uint16_t> parse_language_list(Bytes bytes) {
  return units_of(bytes).value_or(std::vector<std::uint16_t>{});
}

}  // namespace periprox::usb
