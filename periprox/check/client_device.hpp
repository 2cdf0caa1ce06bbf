// The device that clients are given: what it says of itself.
#pragma once

#include "periprox/usb/configuration.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::check {

[[nodiscard]] const usb::Configuration& client_configuration();
[[nodiscard]] const wire::usbip::DeviceRecord& client_record();
[[nodiscard]] std::uint32_t client_devid();
/// The data of a control request, cut to wLength; nothing for a stall.
[[nodiscard]] std::optional<std::vector<std::byte>> client_control(const usb::SetupPacket& setup);

}  // namespace periprox::check
