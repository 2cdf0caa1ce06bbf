#include "periprox/emulated/function.hpp"

#include <algorithm>
#include <utility>

namespace periprox::emulated {
namespace {

/// "Multi-interface function": hosts look for associations only in devices of this class.
constexpr usb::ClassCode kMultiInterfaceDevice{0xef, 0x02, 0x01};

std::uint8_t last_endpoint_number(const Function& function, std::uint8_t before) {
  auto last = before;
  for (const auto& interface : function.interfaces) {
    for (const auto& setting : interface.settings) {
      for (const auto& endpoint : setting.endpoints) {
        last = std::max(last, endpoint.address.number());
      }
    }
  }
  return last;
}

/// All of them, one after the other.
template <typename... Arguments>
std::function<void(Arguments...)> in_turn(std::vector<std::function<void(Arguments...)>> calls) {
  std::erase_if(calls, [](const auto& call) { return !call; });
  if (calls.empty()) return {};
  return [calls = std::move(calls)](Arguments... arguments) {
    for (const auto& call : calls) call(arguments...);
  };
}

}  // namespace

Declaration device_of(const Identity& identity, const std::vector<FunctionMaker>& functions,
                      usb::Speed speed) {
  Declaration device{.idVendor = identity.idVendor,
                     .idProduct = identity.idProduct,
                     .bcdDevice = identity.bcdDevice,
                     .manufacturer = identity.manufacturer,
                     .product = identity.product,
                     .serial_number = identity.serial_number};
  Configuration configuration;
  std::vector<std::function<void()>> resets;
  std::vector<std::function<void(std::uint8_t)>> configured;
  Place place{.speed = speed};
  for (const auto& make : functions) {
    auto function = make(place);
    const auto count = function.interfaces.size();
    if (count > 1) {
      device.class_code = kMultiInterfaceDevice;
      configuration.associations.push_back({.first_interface = place.interface_number,
                                            .interface_count = static_cast<std::uint8_t>(count),
                                            .class_code = function.class_code,
                                            .name = function.name});
    }
    place.endpoint_number = static_cast<std::uint8_t>(
        last_endpoint_number(function, static_cast<std::uint8_t>(place.endpoint_number - 1)) + 1);
    place.interface_number = static_cast<std::uint8_t>(place.interface_number + count);
    std::ranges::move(function.interfaces, std::back_inserter(configuration.interfaces));
    resets.push_back(std::move(function.on_reset));
    configured.push_back(std::move(function.on_configuration));
  }
  device.on_reset = in_turn(std::move(resets));
  device.on_configuration = in_turn(std::move(configured));
  device.configurations.push_back(std::move(configuration));
  return device;
}

}  // namespace periprox::emulated
