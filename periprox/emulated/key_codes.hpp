// Keys by name and by character, on a keyboard with the US layout (HID Usage Tables 1.4, 10).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace periprox::emulated {

/// bit N: the modifier key with usage 0xe0 + N.
using Modifiers = std::uint8_t;
inline constexpr Modifiers kLeftShift = 0x02;

/// A key, and the modifiers that go with it for a character. Usage 0: only the modifiers.
struct Key {
  std::uint8_t usage = 0;
  Modifiers modifiers = 0;
  friend bool operator==(const Key&, const Key&) = default;
};

/// What types `character`; empty when no key does.
[[nodiscard]] std::optional<Key> key_for(char character);

/// "a", "enter", "f5", "ctrl", "rightalt", "0x65" (a usage); empty for anything else.
[[nodiscard]] std::optional<Key> key_named(std::string_view name);

}  // namespace periprox::emulated
