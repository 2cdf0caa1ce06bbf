#include "periprox/emulated/pointer.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace periprox::emulated {
namespace {

constexpr std::uint8_t kBootMouse = 2;
constexpr std::int32_t kLongestStep = 127;
constexpr std::size_t kMouseButtons = 5;
constexpr std::size_t kTabletButtons = 3;
constexpr std::array<std::string_view, kMouseButtons> kButtons{"left", "right", "middle", "side",
                                                               "extra"};

/// The first three bytes are the boot mouse of HID 1.11, appendix B.2.
std::vector<std::byte> mouse_descriptor() {
  return raw_bytes({
      0x05, 0x01,        // Usage Page (generic desktop)
      0x09, 0x02,        // Usage (mouse)
      0xa1, 0x01,        // Collection (application)
      0x09, 0x01,        //   Usage (pointer)
      0xa1, 0x00,        //   Collection (physical)
      0x05, 0x09,        //     Usage Page (buttons)
      0x19, 0x01,        //     Usage Minimum (1)
      0x29, 0x05,        //     Usage Maximum (5)
      0x15, 0x00,        //     Logical Minimum (0)
      0x25, 0x01,        //     Logical Maximum (1)
      0x75, 0x01,        //     Report Size (1)
      0x95, 0x05,        //     Report Count (5)
      0x81, 0x02,        //     Input (data, variable): buttons
      0x75, 0x03,        //     Report Size (3)
      0x95, 0x01,        //     Report Count (1)
      0x81, 0x01,        //     Input (constant): padding
      0x05, 0x01,        //     Usage Page (generic desktop)
      0x09, 0x30,        //     Usage (X)
      0x09, 0x31,        //     Usage (Y)
      0x09, 0x38,        //     Usage (wheel)
      0x15, 0x81,        //     Logical Minimum (-127)
      0x25, 0x7f,        //     Logical Maximum (127)
      0x75, 0x08,        //     Report Size (8)
      0x95, 0x03,        //     Report Count (3)
      0x81, 0x06,        //     Input (data, variable, relative)
      0x05, 0x0c,        //     Usage Page (consumer)
      0x0a, 0x38, 0x02,  //     Usage (AC pan)
      0x95, 0x01,        //     Report Count (1)
      0x81, 0x06,        //     Input (data, variable, relative): tilt of the wheel
      0xc0,              //   End Collection
      0xc0,              // End Collection
  });
}

std::vector<std::byte> tablet_descriptor() {
  return raw_bytes({
      0x05, 0x01,        // Usage Page (generic desktop)
      0x09, 0x02,        // Usage (mouse): hosts take absolute mice without a driver of their own
      0xa1, 0x01,        // Collection (application)
      0x09, 0x01,        //   Usage (pointer)
      0xa1, 0x00,        //   Collection (physical)
      0x05, 0x09,        //     Usage Page (buttons)
      0x19, 0x01,        //     Usage Minimum (1)
      0x29, 0x03,        //     Usage Maximum (3)
      0x15, 0x00,        //     Logical Minimum (0)
      0x25, 0x01,        //     Logical Maximum (1)
      0x75, 0x01,        //     Report Size (1)
      0x95, 0x03,        //     Report Count (3)
      0x81, 0x02,        //     Input (data, variable): buttons
      0x75, 0x05,        //     Report Size (5)
      0x95, 0x01,        //     Report Count (1)
      0x81, 0x01,        //     Input (constant): padding
      0x05, 0x01,        //     Usage Page (generic desktop)
      0x09, 0x30,        //     Usage (X)
      0x09, 0x31,        //     Usage (Y)
      0x15, 0x00,        //     Logical Minimum (0)
      0x26, 0xff, 0x7f,  //     Logical Maximum (32767)
      0x35, 0x00,        //     Physical Minimum (0)
      0x46, 0xff, 0x7f,  //     Physical Maximum (32767)
      0x75, 0x10,        //     Report Size (16)
      0x95, 0x02,        //     Report Count (2)
      0x81, 0x02,        //     Input (data, variable, absolute)
      0x09, 0x38,        //     Usage (wheel)
      0x15, 0x81,        //     Logical Minimum (-127)
      0x25, 0x7f,        //     Logical Maximum (127)
      0x35, 0x00,        //     Physical Minimum (0: as the logical ones)
      0x45, 0x00,        //     Physical Maximum (0)
      0x75, 0x08,        //     Report Size (8)
      0x95, 0x01,        //     Report Count (1)
      0x81, 0x06,        //     Input (data, variable, relative)
      0xc0,              //   End Collection
      0xc0,              // End Collection
  });
}

std::size_t report_size(Pointer::Kind kind) { return kind == Pointer::Kind::Mouse ? 5 : 6; }

/// As much of `way` as one report can say; takes it off.
int take_step(std::int32_t& way) {
  const auto step = std::clamp(way, -kLongestStep, kLongestStep);
  way -= step;
  return step;
}

std::uint16_t within_tablet(std::int32_t place) {
  return static_cast<std::uint16_t>(std::clamp<std::int32_t>(place, 0, Pointer::kTabletEdge));
}

}  // namespace

Pointer::Pointer(Kind kind, Timers& timers)
    : kind_(kind),
      input_(std::make_shared<HidInput>(timers, std::vector<std::byte>(report_size(kind)))) {}

void Pointer::move(std::int32_t dx, std::int32_t dy) {
  dx = std::clamp(dx, -kLongestWay, kLongestWay);
  dy = std::clamp(dy, -kLongestWay, kLongestWay);
  if (kind_ == Kind::Tablet) return move_to(within_tablet(x_ + dx), within_tablet(y_ + dy));
  do {
    const int x = take_step(dx);
    const int y = take_step(dy);
    report_mouse(x, y, 0, 0);
  } while (dx != 0 || dy != 0);
}

void Pointer::move_to(std::uint16_t x, std::uint16_t y) {
  x_ = within_tablet(x);
  y_ = within_tablet(y);
  report_tablet(0);
}

void Pointer::wheel(std::int32_t up, std::int32_t right) {
  up = std::clamp(up, -kLongestWay, kLongestWay);
  right = std::clamp(right, -kLongestWay, kLongestWay);
  do {
    const int vertical = take_step(up);
    const int horizontal = take_step(right);
    if (kind_ == Kind::Mouse) {
      report_mouse(0, 0, vertical, horizontal);
    } else {
      report_tablet(vertical);
      right = 0;
    }
  } while (up != 0 || right != 0);
}

Result<std::uint8_t> Pointer::button_bit(std::string_view name) const {
  const auto count = kind_ == Kind::Mouse ? kMouseButtons : kTabletButtons;
  for (std::size_t i = 0; i < count; ++i) {
    if (kButtons[i] == name) return static_cast<std::uint8_t>(1U << i);
  }
  return fail(Error::Kind::Usage, "cannot press '" + std::string(name) + "'",
              "'" + std::string(name) + "' is no button",
              kind_ == Kind::Mouse ? "buttons are left, right, middle, side and extra"
                                   : "buttons are left, right and middle");
}

Result<void> Pointer::down(std::string_view button) {
  const auto bit = button_bit(button);
  if (!bit) return tl::make_unexpected(bit.error());
  buttons_ |= *bit;
  report_buttons();
  return {};
}

Result<void> Pointer::up(std::string_view button) {
  const auto bit = button_bit(button);
  if (!bit) return tl::make_unexpected(bit.error());
  buttons_ = static_cast<std::uint8_t>(buttons_ & ~*bit);
  report_buttons();
  return {};
}

void Pointer::report_buttons() {
  if (kind_ == Kind::Mouse) return report_mouse(0, 0, 0, 0);
  report_tablet(0);
}

void Pointer::report_mouse(int dx, int dy, int up, int right) {
  input_->push(raw_bytes({buttons_, dx & 0xff, dy & 0xff, up & 0xff, right & 0xff}));
}

void Pointer::report_tablet(int up) {
  input_->push(raw_bytes({buttons_, x_ & 0xff, x_ >> 8, y_ & 0xff, y_ >> 8, up & 0xff}));
}

void Pointer::reset() {
  input_->reset();
  buttons_ = 0;
}

Function pointer_function(const std::shared_ptr<Pointer>& pointer, Place place, Duration interval) {
  const bool is_mouse = pointer->kind() == Pointer::Kind::Mouse;
  return {
      .name = is_mouse ? "Mouse" : "Tablet",
      .interfaces = {hid_interface(pointer->input_, place.endpoint_number,
                                   is_mouse ? kBootMouse : std::uint8_t{0},
                                   is_mouse ? mouse_descriptor() : tablet_descriptor(), interval)},
      .on_reset = [pointer] { pointer->reset(); },
  };
}

}  // namespace periprox::emulated
