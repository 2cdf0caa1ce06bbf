// What a host has asked a device before anybody watched, reconstructed from what is known of it.
#pragma once

#include <vector>

#include "periprox/usb/device_model.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::stage {

/// Completed control requests that tell all that `model` knows: the device descriptor, the BOS,
/// each configuration, the strings; then the requests that made its settings active.
[[nodiscard]] std::vector<usb::Urb> known_exchanges(const usb::DeviceModel& model);

}  // namespace periprox::stage
