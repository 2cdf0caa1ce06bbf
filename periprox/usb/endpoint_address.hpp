// An endpoint's number and its address (number and direction) are different things.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace periprox::usb {

enum class Direction : std::uint8_t { Out = 0, In = 1 };

/// bEndpointAddress: number in bits 0-3, 0x80 for IN (USB 2.0, 9.6.6). Endpoint 0 carries both
/// directions; the address of a control transfer takes its direction from the setup packet.
class EndpointAddress {
 public:
  constexpr EndpointAddress() = default;
  constexpr explicit EndpointAddress(std::uint8_t address) : address_(address & 0x8f) {}
  constexpr EndpointAddress(std::uint8_t number, Direction direction)
      : address_(
            static_cast<std::uint8_t>((number & 0x0f) | (direction == Direction::In ? 0x80 : 0))) {}

  [[nodiscard]] constexpr std::uint8_t value() const { return address_; }
  [[nodiscard]] constexpr std::uint8_t number() const { return address_ & 0x0f; }
  [[nodiscard]] constexpr bool is_in() const { return (address_ & 0x80) != 0; }
  [[nodiscard]] constexpr Direction direction() const {
    return is_in() ? Direction::In : Direction::Out;
  }
  /// 0..15 for OUT, 16..31 for IN: a place in a table of all endpoints.
  [[nodiscard]] constexpr std::uint8_t index() const {
    return static_cast<std::uint8_t>(number() + (is_in() ? 16 : 0));
  }

  friend constexpr auto operator<=>(const EndpointAddress&, const EndpointAddress&) = default;

 private:
  std::uint8_t address_ = 0;
};

/// Size of a table that EndpointAddress::index() points into.
inline constexpr std::size_t kEndpointTableSize = 32;

}  // namespace periprox::usb
