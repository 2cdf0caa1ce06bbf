// Usages: HID Usage Tables 1.4, pages 0x01, 0x07, 0x08, 0x09.
#include "periprox/usb/hid_report.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

enum class Main : std::uint8_t { Input = 8, Output = 9, Feature = 11 };
constexpr std::size_t kMostUsages = 256;
constexpr std::size_t kMostPushed = 16;
constexpr std::uint8_t kLongItem = 0xfe;

/// The items that stay until they are changed (6.2.2.7).
struct Globals {
  std::uint32_t page = 0;
  std::int32_t logical_minimum = 0;
  std::uint32_t bits = 0;
  std::uint32_t count = 0;
  std::uint8_t report_id = 0;
};

std::uint32_t unsigned_value(Bytes data) {
  std::uint32_t value = 0;
  for (std::size_t i = data.size(); i > 0; --i)
    value = value << 8 | std::to_integer<std::uint32_t>(data[i - 1]);
  return value;
}

std::int32_t signed_value(std::uint32_t value, std::uint32_t bits) {
  if (bits == 0 || bits >= 32) return static_cast<std::int32_t>(value);
  const std::uint32_t sign = 1U << (bits - 1);
  return static_cast<std::int32_t>((value ^ sign) - sign);
}

/// Runs the items of a descriptor.
class Machine {
 public:
  void item(std::uint8_t prefix, Bytes data) {
    const auto tag = static_cast<std::uint8_t>(prefix >> 4);
    const auto value = unsigned_value(data);
    switch (prefix >> 2 & 3) {
      case 0:
        main_item(tag, value);
        usages_.clear();
        range_ = {};
        break;
      case 1:
        global_item(tag, value, static_cast<std::uint32_t>(8 * data.size()));
        break;
      case 2:
        local_item(tag, value, data.size());
        break;
      default:
        break;
    }
  }
  std::vector<HidField> release() { return std::move(fields_); }

 private:
  void main_item(std::uint8_t tag, std::uint32_t flags) {
    HidField field{.report_id = now_.report_id,
                   .bits = now_.bits,
                   .count = now_.count,
                   .logical_minimum = now_.logical_minimum,
                   .is_constant = (flags & 1) != 0,
                   .is_variable = (flags & 2) != 0,
                   .usages = usages_,
                   .usage_minimum = range_.first,
                   .usage_maximum = range_.second};
    switch (static_cast<Main>(tag)) {
      case Main::Input:
        field.kind = HidField::Kind::Input;
        break;
      case Main::Output:
        field.kind = HidField::Kind::Output;
        break;
      case Main::Feature:
        field.kind = HidField::Kind::Feature;
        break;
      default:
        return;
    }
    auto& end = ends_[{field.kind, field.report_id}];
    if (end == 0 && field.report_id != 0) end = 8;
    const auto size = std::uint64_t{field.bits} * field.count;
    if (size == 0 || field.bits > 32 || end + size > kMaxHidReportBits) return;
    field.offset = end;
    end += static_cast<std::uint32_t>(size);
    if (fields_.size() < kMaxHidFields) fields_.push_back(std::move(field));
  }

  void global_item(std::uint8_t tag, std::uint32_t value, std::uint32_t bits) {
    switch (tag) {
      case 0:
        now_.page = value;
        break;
      case 1:
        now_.logical_minimum = signed_value(value, bits);
        break;
      case 7:
        now_.bits = value;
        break;
      case 8:
        now_.report_id = static_cast<std::uint8_t>(value);
        break;
      case 9:
        now_.count = value;
        break;
      case 10:
        if (pushed_.size() < kMostPushed) pushed_.push_back(now_);
        break;
      case 11:
        if (pushed_.empty()) break;
        now_ = pushed_.back();
        pushed_.pop_back();
        break;
      default:
        break;
    }
  }

  void local_item(std::uint8_t tag, std::uint32_t value, std::size_t size) {
    // A usage of four bytes brings its own page.
    const auto usage = size == 4 ? value : now_.page << 16 | (value & 0xffff);
    if (tag == 0 && usages_.size() < kMostUsages) usages_.push_back(usage);
    if (tag == 1) range_.first = usage;
    if (tag == 2) range_.second = usage;
  }

  Globals now_;
  std::vector<Globals> pushed_;
  std::vector<std::uint32_t> usages_;
  std::pair<std::uint32_t, std::uint32_t> range_;
  std::map<std::pair<HidField::Kind, std::uint8_t>, std::uint32_t> ends_;
  std::vector<HidField> fields_;
};

std::uint32_t value_at(Bytes report, std::uint32_t offset, std::uint32_t bits) {
  std::uint64_t value = 0;
  const std::size_t first = offset / 8;
  const std::size_t last = (offset + bits + 7) / 8;
  for (std::size_t i = first; i < last; ++i)
    value |= std::to_integer<std::uint64_t>(report[i]) << (8 * (i - first));
  value >>= offset % 8;
  return static_cast<std::uint32_t>(value & ((std::uint64_t{1} << bits) - 1));
}

std::uint32_t usage_of(const HidField& field, std::uint32_t i) {
  if (!field.usages.empty()) return field.usages[std::min<std::size_t>(i, field.usages.size() - 1)];
  return std::min(field.usage_minimum + i, field.usage_maximum);
}

constexpr std::array<std::pair<std::uint16_t, std::string_view>, 18> kDesktop{{
    {0x01, "Pointer"},
    {0x02, "Mouse"},
    {0x04, "Joystick"},
    {0x05, "Gamepad"},
    {0x06, "Keyboard"},
    {0x30, "X"},
    {0x31, "Y"},
    {0x32, "Z"},
    {0x33, "Rx"},
    {0x34, "Ry"},
    {0x35, "Rz"},
    {0x36, "Slider"},
    {0x37, "Dial"},
    {0x38, "Wheel"},
    {0x39, "Hat switch"},
    {0x81, "Power Down"},
    {0x82, "Sleep"},
    {0x83, "Wake Up"},
}};
constexpr std::array<std::string_view, 5> kLeds{"Num Lock", "Caps Lock", "Scroll Lock", "Compose",
                                                "Kana"};
constexpr std::array<std::string_view, 8> kModifiers{"Left Control", "Left Shift",    "Left Alt",
                                                     "Left GUI",     "Right Control", "Right Shift",
                                                     "Right Alt",    "Right GUI"};
constexpr std::array<std::string_view, 17> kKeys28{
    "Enter", "Escape", "Backspace", "Tab", "Space", "-", "=", "[", "]",
    "\\",    "#",      ";",         "'",   "`",     ",", ".", "/"};
constexpr std::array<std::string_view, 13> kKeys46{
    "Print Screen", "Scroll Lock", "Pause", "Insert", "Home", "Page Up", "Delete",
    "End",          "Page Down",   "Right", "Left",   "Down", "Up"};

std::string key_text(unsigned key) {
  if (key >= 0x04 && key <= 0x1d) return std::string(1, static_cast<char>('a' + key - 0x04));
  if (key >= 0x1e && key <= 0x26) return std::string(1, static_cast<char>('1' + key - 0x1e));
  if (key == 0x27) return "0";
  if (key >= 0x28 && key < 0x28 + kKeys28.size()) return std::string(kKeys28[key - 0x28]);
  if (key == 0x39) return "Caps Lock";
  if (key >= 0x3a && key <= 0x45) return "F" + std::to_string(key - 0x39);
  if (key >= 0x46 && key < 0x46 + kKeys46.size()) return std::string(kKeys46[key - 0x46]);
  if (key >= 0xe0 && key < 0xe0 + kModifiers.size()) return std::string(kModifiers[key - 0xe0]);
  if (key == 1) return "too many keys";
  return "key " + hex_text(key);
}

void append(std::string& text, const std::string& word) {
  text += (text.empty() ? "" : ", ") + word;
}

void append_field(std::string& text, const HidField& field, Bytes report) {
  for (std::uint32_t i = 0; i < field.count; ++i) {
    const auto offset = field.offset + i * field.bits;
    if (offset + field.bits > 8 * report.size()) return;
    const auto raw = value_at(report, offset, field.bits);
    if (!field.is_variable) {
      // An array tells which usages are on; those below its range are none.
      const auto index = static_cast<std::int64_t>(raw) - field.logical_minimum;
      const auto last = field.usages.empty()
                            ? std::int64_t{field.usage_maximum} - field.usage_minimum
                            : static_cast<std::int64_t>(field.usages.size()) - 1;
      if (raw == 0 || index < 0 || index > last) continue;
      append(text, hid_usage_text(usage_of(field, static_cast<std::uint32_t>(index))));
      continue;
    }
    const auto value =
        field.logical_minimum < 0 ? std::int64_t{signed_value(raw, field.bits)} : std::int64_t{raw};
    if (value == 0) continue;
    auto word = hid_usage_text(usage_of(field, i));
    if (field.bits > 1) word += " " + std::to_string(value);
    append(text, word);
  }
}

}  // namespace

std::vector<HidField> parse_report_descriptor(Bytes descriptor) {
  Machine machine;
  while (!descriptor.empty()) {
    const auto prefix = std::to_integer<std::uint8_t>(descriptor[0]);
    std::size_t head = 1;
    std::size_t size = (prefix & 3) == 3 ? 4 : prefix & 3;
    const bool is_long = prefix == kLongItem;
    if (is_long) {
      if (descriptor.size() < 3) break;
      head = 3;
      size = std::to_integer<std::size_t>(descriptor[1]);
    }
    if (descriptor.size() < head + size) break;
    if (!is_long) machine.item(prefix, descriptor.subspan(head, size));
    descriptor = descriptor.subspan(head + size);
  }
  return machine.release();
}

std::string hid_usage_text(std::uint32_t usage) {
  const auto page = usage >> 16;
  const auto number = usage & 0xffff;
  if (page == 0x01) {
    const auto* found =
        std::ranges::find(kDesktop, number, &std::pair<std::uint16_t, std::string_view>::first);
    if (found != kDesktop.end()) return std::string(found->second);
  }
  if (page == 0x07) return key_text(number);
  if (page == 0x08 && number >= 1 && number <= kLeds.size()) return std::string(kLeds[number - 1]);
  if (page == 0x09) return "Button " + std::to_string(number);
  return "usage " + hex_text(page) + ":" + hex_text(number);
}

std::string hid_report_text(const std::vector<HidField>& fields, HidField::Kind kind,
                            Bytes report) {
  const bool has_ids =
      std::ranges::any_of(fields, [](const auto& field) { return field.report_id != 0; });
  const auto id =
      has_ids && !report.empty() ? std::to_integer<std::uint8_t>(report[0]) : std::uint8_t{0};
  std::string text;
  bool is_described = false;
  for (const auto& field : fields) {
    if (field.kind != kind || field.report_id != id) continue;
    if (field.offset + field.bits > 8 * report.size()) continue;
    is_described = true;
    if (!field.is_constant) append_field(text, field, report);
  }
  if (text.empty() && is_described) return "nothing";
  return text;
}

}  // namespace periprox::usb
