// A function of a device, in the standard's sense: the interfaces that one driver uses, with their
// behaviour. A device is an identity and one function or several.
//
// Functions are made for a place, because class descriptors name interfaces by number (the Union
// descriptor of CDC, the header of Audio) and no two functions may share an endpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "periprox/emulated/declaration.hpp"

namespace periprox::emulated {

/// Where a function stands in its configuration.
struct Place {
  std::uint8_t interface_number = 0;  ///< bInterfaceNumber of its first interface.
  std::uint8_t endpoint_number = 1;   ///< Number of its first endpoint, in both directions.
  usb::Speed speed = usb::Speed::High;
};

/// Interfaces that belong together, numbered from its place on.
struct Function {
  std::string name = {};  ///< iFunction, when there are several interfaces.
  /// Class of the association that several interfaces get.
  usb::ClassCode class_code = {};
  std::vector<Interface> interfaces = {};
  std::function<void()> on_reset = {};
  std::function<void(std::uint8_t)> on_configuration = {};
};

using FunctionMaker = std::function<Function(Place)>;

/// What a device says about itself, whatever it does.
struct Identity {
  std::uint16_t idVendor = 0;
  std::uint16_t idProduct = 0;
  std::uint16_t bcdDevice = 0x0100;
  std::string manufacturer = "PeriProx";
  std::string product = {};
  std::string serial_number = {};
};

/// A device with these functions in one configuration. Functions of several interfaces get an
/// association, and the device then says so in its class (USB ECN Interface Association
/// Descriptors). `speed` is what the functions are told that it runs at.
[[nodiscard]] Declaration device_of(const Identity& identity,
                                    const std::vector<FunctionMaker>& functions,
                                    usb::Speed speed = usb::Speed::High);

}  // namespace periprox::emulated
