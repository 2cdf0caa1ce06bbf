// emulated:keyboard: the keyboard, and what is typed on it: text that comes in as it is, or
// commands with their timing.
#include <array>
#include <utility>

#include "periprox/emulated/command_feed.hpp"
#include "periprox/emulated/keyboard.hpp"

namespace periprox::emulated {
namespace {

constexpr auto kSettings = with_common_settings(
    "full",
    SettingInfo{"input", "", "what is typed: a file or FIFO with text, - for standard input"},
    SettingInfo{"script", "", "a file or FIFO with commands: type, press, down, up, wait"},
    SettingInfo{"interval_us", "1000", "time between reports; 125 for 8 kHz at high speed"});

/// Types what comes out of a stream, as fast as the host takes it.
class TextFeed : public std::enable_shared_from_this<TextFeed> {
 public:
  TextFeed(std::unique_ptr<ByteStream> stream, Keyboard& keyboard, Surroundings surroundings)
      : stream_(std::move(stream)), keyboard_(keyboard), surroundings_(std::move(surroundings)) {}

  void go_on() {
    if (running_) return;
    const auto self = shared_from_this();
    running_ = true;
    std::array<std::byte, 1> character{};
    while (keyboard_.input().has_room() && stream_->read(character) == 1) {
      const auto text = std::string(1, static_cast<char>(character[0]));
      if (auto typed = keyboard_.type(text); !typed) note(surroundings_, typed.error().why);
    }
    running_ = false;
    if (stream_->read_ended() || !keyboard_.input().has_room()) return;
    stream_->when_readable([weak = weak_from_this()] {
      if (const auto feed = weak.lock()) feed->go_on();
    });
  }

 private:
  std::unique_ptr<ByteStream> stream_;
  Keyboard& keyboard_;  // Owns this feed.
  Surroundings surroundings_;
  bool running_ = false;
};

Result<void> run(Keyboard& keyboard, const Command& command) {
  const auto verb = command.words.front();
  if (verb == "type") return keyboard.type(command.rest);
  const bool known = verb == "press" || verb == "down" || verb == "up";
  if (!known) return bad_command("the commands are type, press, down, up and wait");
  if (command.words.size() != 2) return bad_command("'" + std::string(verb) + "' takes one key");
  if (verb == "press") return keyboard.press(command.words[1]);
  return verb == "down" ? keyboard.down(command.words[1]) : keyboard.up(command.words[1]);
}

Result<FunctionMaker> make_keyboard(SettingsReader& settings, const Surroundings& surroundings) {
  const std::string input(settings.text("input"));
  const std::string script(settings.text("script"));
  const auto interval = interval_setting(settings);
  settings.exclusive({"input", "script"});
  if (settings.error()) return tl::make_unexpected(*settings.error());

  auto keyboard = std::make_shared<Keyboard>(surroundings.timers);
  keyboard->on_leds = [surroundings](std::uint8_t leds) {
    note(surroundings, "LEDs: " + led_names(leds));
  };
  if (!input.empty()) {
    auto stream = open_stream(surroundings, input);
    if (!stream) return forward_error(stream);
    auto feed = std::make_shared<TextFeed>(std::move(*stream), *keyboard, surroundings);
    keyboard->input().on_wanted([feed] { feed->go_on(); });
  } else if (!script.empty()) {
    auto feed = open_commands(
        surroundings, script, keyboard->input(),
        [&keyboard = *keyboard](const Command& command) { return run(keyboard, command); });
    if (!feed) return forward_error(feed);
  }
  return [keyboard, interval](Place place) { return keyboard_function(keyboard, place, interval); };
}

}  // namespace

DeviceType keyboard_type() {
  return {.name = "keyboard",
          .summary = "HID boot keyboard with LEDs",
          .settings = kSettings,
          .make = FunctionType{.idProduct = 0x0002, .make = make_keyboard}};
}

}  // namespace periprox::emulated
