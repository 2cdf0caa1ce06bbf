#include "periprox/emulated/keyboard.hpp"

#include <algorithm>
#include <utility>

namespace periprox::emulated {
namespace {

constexpr std::uint8_t kBootKeyboard = 1;
constexpr std::size_t kReportSize = 8;
constexpr std::size_t kMostKeys = 6;
constexpr std::uint8_t kErrorRollOver = 0x01;
constexpr std::size_t kMaxChord = 8;

/// HID 1.11, appendix E.6, with the whole keyboard page.
std::vector<std::byte> report_descriptor() {
  return raw_bytes({
      0x05, 0x01,        // Usage Page (generic desktop)
      0x09, 0x06,        // Usage (keyboard)
      0xa1, 0x01,        // Collection (application)
      0x05, 0x07,        //   Usage Page (keyboard)
      0x19, 0xe0,        //   Usage Minimum (left control)
      0x29, 0xe7,        //   Usage Maximum (right GUI)
      0x15, 0x00,        //   Logical Minimum (0)
      0x25, 0x01,        //   Logical Maximum (1)
      0x75, 0x01,        //   Report Size (1)
      0x95, 0x08,        //   Report Count (8)
      0x81, 0x02,        //   Input (data, variable): modifiers
      0x75, 0x08,        //   Report Size (8)
      0x95, 0x01,        //   Report Count (1)
      0x81, 0x01,        //   Input (constant): reserved
      0x05, 0x08,        //   Usage Page (LEDs)
      0x19, 0x01,        //   Usage Minimum (num lock)
      0x29, 0x05,        //   Usage Maximum (kana)
      0x75, 0x01,        //   Report Size (1)
      0x95, 0x05,        //   Report Count (5)
      0x91, 0x02,        //   Output (data, variable): LEDs
      0x75, 0x03,        //   Report Size (3)
      0x95, 0x01,        //   Report Count (1)
      0x91, 0x01,        //   Output (constant): padding
      0x05, 0x07,        //   Usage Page (keyboard)
      0x19, 0x00,        //   Usage Minimum (0)
      0x2a, 0xff, 0x00,  //   Usage Maximum (255)
      0x15, 0x00,        //   Logical Minimum (0)
      0x26, 0xff, 0x00,  //   Logical Maximum (255)
      0x75, 0x08,        //   Report Size (8)
      0x95, 0x06,        //   Report Count (6)
      0x81, 0x00,        //   Input (data, array): keys
      0xc0,              // End Collection
  });
}

Result<Key> known_key(std::string_view name) {
  if (const auto key = key_named(name)) return *key;
  return fail(Error::Kind::Usage, "cannot press '" + std::string(name) + "'",
              "'" + std::string(name) + "' is no key",
              "keys are named a, 1, enter, f5, ctrl, shift, alt, super, left, 0x65, ...");
}

}  // namespace

Keyboard::Keyboard(Timers& timers)
    : input_(std::make_shared<HidInput>(timers, std::vector<std::byte>(kReportSize))) {
  input_->on_output([this](Bytes report) {
    leds_ = std::to_integer<std::uint8_t>(report.front());
    if (on_leds) on_leds(leds_);
  });
}

Result<void> Keyboard::type(std::string_view text) {
  for (const char character : text) {
    if (key_for(character)) continue;
    return fail(Error::Kind::Usage, "cannot type a text",
                "the US layout has no key for byte " +
                    std::to_string(static_cast<unsigned char>(character)));
  }
  for (const char character : text) {
    const auto key = *key_for(character);
    set_key(key, true);
    report();
    set_key(key, false);
    report();
  }
  return {};
}

Result<void> Keyboard::press(std::string_view chord) {
  std::vector<Key> keys;
  const auto whole = chord;
  while (!chord.empty()) {
    // A "+" that starts a name is the key itself.
    const auto plus = std::min(chord.find('+', 1), chord.size());
    const auto key = known_key(chord.substr(0, plus));
    if (!key) return tl::make_unexpected(key.error());
    keys.push_back(*key);
    chord.remove_prefix(std::min(plus + 1, chord.size()));
  }
  if (keys.empty() || keys.size() > kMaxChord) {
    return fail(Error::Kind::Usage, "cannot press '" + std::string(whole) + "'",
                "it takes 1 to 8 keys joined by '+'");
  }
  for (const auto& key : keys) {
    set_key(key, true);
    report();
  }
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    set_key(*key, false);
    report();
  }
  return {};
}

Result<void> Keyboard::down(std::string_view name) {
  const auto key = known_key(name);
  if (!key) return tl::make_unexpected(key.error());
  set_key(*key, true);
  report();
  return {};
}

Result<void> Keyboard::up(std::string_view name) {
  const auto key = known_key(name);
  if (!key) return tl::make_unexpected(key.error());
  set_key(*key, false);
  report();
  return {};
}

void Keyboard::set_key(const Key& key, bool is_down) {
  if (is_down) {
    modifiers_ |= key.modifiers;
  } else {
    modifiers_ = static_cast<Modifiers>(modifiers_ & ~key.modifiers);
  }
  if (key.usage == 0) return;
  std::erase(pressed_, key.usage);
  if (is_down) pressed_.push_back(key.usage);
}

void Keyboard::report() {
  std::vector<std::byte> report(kReportSize);
  report[0] = static_cast<std::byte>(modifiers_);
  const auto keys = MutableBytes(report).subspan(2, kMostKeys);
  if (pressed_.size() > kMostKeys) {
    std::ranges::fill(keys, static_cast<std::byte>(kErrorRollOver));
  } else {
    std::ranges::transform(pressed_, keys.begin(),
                           [](std::uint8_t usage) { return static_cast<std::byte>(usage); });
  }
  input_->push(std::move(report));
}

void Keyboard::reset() {
  input_->reset();
  pressed_.clear();
  modifiers_ = 0;
  leds_ = 0;
}

Function keyboard_function(const std::shared_ptr<Keyboard>& keyboard, Place place,
                           Duration interval) {
  return {
      .name = "Keyboard",
      .interfaces = {hid_interface(keyboard->input_, place.endpoint_number, kBootKeyboard,
                                   report_descriptor(), interval)},
      .on_reset = [keyboard] { keyboard->reset(); },
  };
}

std::string led_names(std::uint8_t leds) {
  constexpr std::array<std::string_view, 5> kNames{"num lock", "caps lock", "scroll lock",
                                                   "compose", "kana"};
  std::string text;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if ((leds & 1U << i) == 0) continue;
    text += (text.empty() ? "" : ", ") + std::string(kNames[i]);
  }
  return text.empty() ? "none" : text;
}

}  // namespace periprox::emulated
