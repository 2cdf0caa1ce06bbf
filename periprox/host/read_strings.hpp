// Reads every string that a device's descriptors point to, for showing them to a person.
#pragma once

#include "periprox/host/blocking.hpp"
#include "periprox/usb/describe.hpp"

namespace periprox::host {

/// The strings by index, in the device's first language. Those that cannot be read are left out;
/// after the first that gets no answer in `timeout` no more are asked for.
[[nodiscard]] usb::StringTable read_strings(Blocking& host, Duration timeout);

}  // namespace periprox::host
