// A USB keyboard: the boot keyboard of HID 1.11, appendix B.1, with its LEDs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/emulated/function.hpp"
#include "periprox/emulated/hid.hpp"
#include "periprox/emulated/key_codes.hpp"

namespace periprox::emulated {

/// A keyboard and who types on it. Held by shared_ptr; single-threaded.
class Keyboard {
 public:
  explicit Keyboard(Timers& timers);
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;

  /// Types `text`: each character is pressed and released. Usage, and nothing is typed, when it
  /// holds a character that the US layout has no key for.
  Result<void> type(std::string_view text);
  /// Presses keys in their order and releases them in the reverse: "ctrl+alt+delete".
  Result<void> press(std::string_view chord);
  /// Presses a key and keeps it down. More than six at once are reported as ErrorRollOver.
  Result<void> down(std::string_view name);
  Result<void> up(std::string_view name);

  /// Bit 0 num lock, 1 caps lock, 2 scroll lock, 3 compose, 4 kana; as the host set them last.
  [[nodiscard]] std::uint8_t leds() const { return leds_; }
  /// Called when the host sets the LEDs.
  std::function<void(std::uint8_t leds)> on_leds;

  /// The reports on their way to the host.
  [[nodiscard]] HidInput& input() { return *input_; }

 private:
  friend Function keyboard_function(const std::shared_ptr<Keyboard>& keyboard, Place place,
                                    Duration interval);

  void set_key(const Key& key, bool is_down);
  void report();
  void reset();

  std::shared_ptr<HidInput> input_;
  std::vector<std::uint8_t> pressed_;  // Usages, in the order of pressing.
  Modifiers modifiers_ = 0;
  std::uint8_t leds_ = 0;
};

/// The keyboard as a function. The host asks it every `interval`.
[[nodiscard]] Function keyboard_function(const std::shared_ptr<Keyboard>& keyboard, Place place,
                                         Duration interval);

/// "num lock, caps lock" for people; "none".
[[nodiscard]] std::string led_names(std::uint8_t leds);

[[nodiscard]] DeviceType keyboard_type();

}  // namespace periprox::emulated
