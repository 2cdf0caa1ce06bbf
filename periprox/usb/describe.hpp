// What a device says about itself, decoded for people: every field under the standard's name, with
// its value and what that means.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "periprox/base/bytes.hpp"
#include "periprox/usb/description.hpp"
#include "periprox/usb/device_model.hpp"

namespace periprox::usb {

/// The strings of a device by their index, as far as they were read.
using StringTable = std::map<std::uint8_t, std::string>;

/// The whole device: its descriptor, its BOS, every configuration with what check_configuration()
/// finds odd about it. The active configuration and settings are marked.
[[nodiscard]] DescriptionNode describe(const DeviceModel& model, const StringTable& strings = {});

/// One configuration of a device that runs at `speed`.
[[nodiscard]] DescriptionNode describe_configuration(const Configuration& configuration,
                                                     Speed speed, const StringTable& strings = {});

/// A BOS block as the device sent it, whatever its bytes are.
[[nodiscard]] DescriptionNode describe_bos(Bytes bytes);

/// A descriptor that stands among the descriptors of an interface of class `context` and has no
/// struct of its own; bytes that nothing is known about are shown in hexadecimal.
[[nodiscard]] DescriptionNode describe_raw(const RawDescriptor& descriptor, ClassCode context = {});

}  // namespace periprox::usb
