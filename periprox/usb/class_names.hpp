// The names of the classes that USB-IF has given out (usb.org, "Defined Class Codes").
#pragma once

#include <string_view>

#include "periprox/usb/descriptors.hpp"

namespace periprox::usb {

/// "Human Interface Device", "Mass Storage", …; empty for a code that has no name.
[[nodiscard]] std::string_view class_name(std::uint8_t code);
/// What subclass and protocol say beyond the class: "boot keyboard", "SCSI, Bulk-Only", …; empty
/// when they have no name here.
[[nodiscard]] std::string_view protocol_name(ClassCode code);

}  // namespace periprox::usb
