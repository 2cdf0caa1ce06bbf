// emulated:mouse and emulated:tablet: the pointers, moved by commands.
#include <utility>

#include "periprox/emulated/command_feed.hpp"
#include "periprox/emulated/pointer.hpp"

namespace periprox::emulated {
namespace {

constexpr auto kMouseSettings = with_common_settings(
    "full",
    SettingInfo{"input", "",
                "a file or FIFO with commands: move, wheel, click, down, up, wait; - for standard "
                "input"},
    SettingInfo{"interval_us", "1000", "time between reports; 125 for 8 kHz at high speed"});
constexpr auto kTabletSettings = with_common_settings(
    "full",
    SettingInfo{"input", "",
                "a file or FIFO with commands: to, move, wheel, click, down, up, wait; - for "
                "standard input"},
    SettingInfo{"interval_us", "1000", "time between reports; 125 for 8 kHz at high speed"});

Result<void> move(Pointer& pointer, const Command& command) {
  if (command.words.size() != 3) return bad_command("'move' takes two numbers");
  const auto way = [&](std::size_t word) {
    return parse_whole(command.words[word], -Pointer::kLongestWay, Pointer::kLongestWay, "a way");
  };
  const auto dx = way(1);
  const auto dy = way(2);
  if (!dx) return tl::make_unexpected(dx.error());
  if (!dy) return tl::make_unexpected(dy.error());
  pointer.move(static_cast<std::int32_t>(*dx), static_cast<std::int32_t>(*dy));
  return {};
}

Result<void> move_to(Pointer& pointer, const Command& command) {
  if (pointer.kind() != Pointer::Kind::Tablet) return bad_command("a mouse knows no places");
  if (command.words.size() != 3) return bad_command("'to' takes two numbers");
  const auto x = parse_whole(command.words[1], 0, Pointer::kTabletEdge, "a place");
  const auto y = parse_whole(command.words[2], 0, Pointer::kTabletEdge, "a place");
  if (!x) return tl::make_unexpected(x.error());
  if (!y) return tl::make_unexpected(y.error());
  pointer.move_to(static_cast<std::uint16_t>(*x), static_cast<std::uint16_t>(*y));
  return {};
}

Result<void> wheel(Pointer& pointer, const Command& command) {
  if (command.words.size() != 2 && command.words.size() != 3) {
    return bad_command("'wheel' takes one number, or two");
  }
  const auto up = parse_whole(command.words[1], -Pointer::kLongestWay, Pointer::kLongestWay,
                              "a turn of the wheel");
  if (!up) return tl::make_unexpected(up.error());
  const auto right = command.words.size() == 2
                         ? Result<std::int64_t>(0)
                         : parse_whole(command.words[2], -Pointer::kLongestWay,
                                       Pointer::kLongestWay, "a tilt of the wheel");
  if (!right) return tl::make_unexpected(right.error());
  pointer.wheel(static_cast<std::int32_t>(*up), static_cast<std::int32_t>(*right));
  return {};
}

Result<void> run(Pointer& pointer, const Command& command) {
  const auto verb = command.words.front();
  if (verb == "move") return move(pointer, command);
  if (verb == "to") return move_to(pointer, command);
  if (verb == "wheel") return wheel(pointer, command);
  const bool known = verb == "click" || verb == "down" || verb == "up";
  if (!known) return bad_command("the commands are move, to, wheel, click, down, up and wait");
  if (command.words.size() != 2) return bad_command("'" + std::string(verb) + "' takes a button");
  if (verb != "up") {
    if (auto pressed = pointer.down(command.words[1]); !pressed) return pressed;
  }
  return verb == "down" ? Result<void>{} : pointer.up(command.words[1]);
}

Result<FunctionMaker> make_pointer(Pointer::Kind kind, SettingsReader& settings,
                                   const Surroundings& surroundings) {
  const std::string input(settings.text("input"));
  const auto interval = interval_setting(settings);
  if (settings.error()) return tl::make_unexpected(*settings.error());
  auto pointer = std::make_shared<Pointer>(kind, surroundings.timers);
  if (!input.empty()) {
    auto feed = open_commands(
        surroundings, input, pointer->input(),
        [&pointer = *pointer](const Command& command) { return run(pointer, command); });
    if (!feed) return forward_error(feed);
  }
  return [pointer, interval](Place place) { return pointer_function(pointer, place, interval); };
}

Result<FunctionMaker> make_mouse(SettingsReader& settings, const Surroundings& surroundings) {
  return make_pointer(Pointer::Kind::Mouse, settings, surroundings);
}
Result<FunctionMaker> make_tablet(SettingsReader& settings, const Surroundings& surroundings) {
  return make_pointer(Pointer::Kind::Tablet, settings, surroundings);
}

}  // namespace

DeviceType mouse_type() {
  return {.name = "mouse",
          .summary = "HID mouse with five buttons and a wheel",
          .settings = kMouseSettings,
          .make = FunctionType{.idProduct = 0x0003, .make = make_mouse}};
}

DeviceType tablet_type() {
  return {.name = "tablet",
          .summary = "HID pointer with absolute places",
          .settings = kTabletSettings,
          .make = FunctionType{.idProduct = 0x0004, .make = make_tablet}};
}

}  // namespace periprox::emulated
