// Pointing devices: a mouse, which says how far it moved, and a tablet, which says where it is.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "periprox/base/result.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/emulated/function.hpp"
#include "periprox/emulated/hid.hpp"

namespace periprox::emulated {

/// A pointer and who moves it. Held by shared_ptr; single-threaded.
class Pointer {
 public:
  enum class Kind : std::uint8_t { Mouse, Tablet };

  Pointer(Kind kind, Timers& timers);
  Pointer(const Pointer&) = delete;
  Pointer& operator=(const Pointer&) = delete;

  /// Moves a mouse; a way that is longer than a report can say (127) takes several reports. A
  /// tablet moves from where it is, within its borders.
  void move(std::int32_t dx, std::int32_t dy);
  /// Puts a tablet's pen at a place, 0 to kTabletEdge from left and top. Only for tablets.
  void move_to(std::uint16_t x, std::uint16_t y);
  /// Turns the wheel: up is positive; a mouse's can be tilted to the right, too.
  void wheel(std::int32_t up, std::int32_t right = 0);
  /// "left", "right", "middle", and of a mouse "side" and "extra".
  Result<void> down(std::string_view button);
  Result<void> up(std::string_view button);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] HidInput& input() { return *input_; }

  static constexpr std::uint16_t kTabletEdge = 32767;
  /// Longest way of one call, in the mouse's units: a bound for the number of reports.
  static constexpr std::int32_t kLongestWay = 32767;

 private:
  friend Function pointer_function(const std::shared_ptr<Pointer>& pointer, Place place,
                                   Duration interval);

  void report_mouse(int dx, int dy, int up, int right);
  void report_tablet(int up);
  void report_buttons();
  [[nodiscard]] Result<std::uint8_t> button_bit(std::string_view name) const;
  void reset();

  const Kind kind_;
  std::shared_ptr<HidInput> input_;
  std::uint8_t buttons_ = 0;
  std::uint16_t x_ = 0;
  std::uint16_t y_ = 0;
};

/// The pointer as a function. The host asks it every `interval`.
[[nodiscard]] Function pointer_function(const std::shared_ptr<Pointer>& pointer, Place place,
                                        Duration interval);

[[nodiscard]] DeviceType mouse_type();
[[nodiscard]] DeviceType tablet_type();

}  // namespace periprox::emulated
