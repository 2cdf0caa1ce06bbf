#include "periprox/emulated/key_codes.hpp"

#include <charconv>
#include <string>
#include <utility>

namespace periprox::emulated {
namespace {

// Usage 0x04 types the first character of each row, and so on. 0x01 stands where a key has no
// character of its own.
constexpr std::uint8_t kFirstUsage = 0x04;
constexpr std::string_view kPlain =
    "abcdefghijklmnopqrstuvwxyz1234567890\n\x1b\b\t -=[]\\\x01;'`,./";
constexpr std::string_view kShifted =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ!@#$%^&*()\x01\x01\x01\x01\x01_+{}|\x01:\"~<>?";
static_assert(kPlain.size() == kShifted.size());

constexpr std::pair<std::string_view, std::uint8_t> kNames[] = {
    {"enter", 0x28},  {"esc", 0x29},      {"backspace", 0x2a},   {"tab", 0x2b},
    {"space", 0x2c},  {"capslock", 0x39}, {"f1", 0x3a},          {"f2", 0x3b},
    {"f3", 0x3c},     {"f4", 0x3d},       {"f5", 0x3e},          {"f6", 0x3f},
    {"f7", 0x40},     {"f8", 0x41},       {"f9", 0x42},          {"f10", 0x43},
    {"f11", 0x44},    {"f12", 0x45},      {"printscreen", 0x46}, {"scrolllock", 0x47},
    {"pause", 0x48},  {"insert", 0x49},   {"home", 0x4a},        {"pageup", 0x4b},
    {"delete", 0x4c}, {"end", 0x4d},      {"pagedown", 0x4e},    {"right", 0x4f},
    {"left", 0x50},   {"down", 0x51},     {"up", 0x52},          {"numlock", 0x53},
    {"menu", 0x65},
};

constexpr std::pair<std::string_view, std::uint8_t> kModifierNames[] = {
    {"ctrl", 0xe0},      {"shift", 0xe1},      {"alt", 0xe2},      {"super", 0xe3},
    {"rightctrl", 0xe4}, {"rightshift", 0xe5}, {"rightalt", 0xe6}, {"rightsuper", 0xe7},
};
constexpr std::uint8_t kFirstModifier = 0xe0;
constexpr std::uint8_t kLastModifier = 0xe7;
constexpr char kNoCharacter = '\x01';

Key key_of_usage(std::uint8_t usage) {
  if (usage < kFirstModifier || usage > kLastModifier) return {.usage = usage};
  return {.modifiers = static_cast<Modifiers>(1U << (usage - kFirstModifier))};
}

}  // namespace

std::optional<Key> key_for(char character) {
  if (character == kNoCharacter) return std::nullopt;
  const auto usage_at = [](std::size_t place) {
    return static_cast<std::uint8_t>(kFirstUsage + place);
  };
  if (const auto at = kPlain.find(character); at != std::string_view::npos) {
    return Key{.usage = usage_at(at)};
  }
  if (const auto at = kShifted.find(character); at != std::string_view::npos) {
    return Key{.usage = usage_at(at), .modifiers = kLeftShift};
  }
  return std::nullopt;
}

std::optional<Key> key_named(std::string_view name) {
  if (name.size() == 1) {
    auto key = key_for(name.front());
    if (key) key->modifiers = 0;  // The key itself, whatever is on it.
    return key;
  }
  for (const auto& [known, usage] : kNames) {
    if (known == name) return key_of_usage(usage);
  }
  for (const auto& [known, usage] : kModifierNames) {
    if (known == name) return key_of_usage(usage);
  }
  unsigned usage = 0;
  if (!name.starts_with("0x")) return std::nullopt;
  const auto digits = name.substr(2);
  const auto [stop, failure] =
      std::from_chars(digits.data(), digits.data() + digits.size(), usage, 16);
  const bool sound = failure == std::errc{} && stop == digits.data() + digits.size() &&
                     usage >= kFirstUsage && usage <= kLastModifier;
  if (!sound) return std::nullopt;
  return key_of_usage(static_cast<std::uint8_t>(usage));
}

}  // namespace periprox::emulated
