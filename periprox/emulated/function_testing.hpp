// A function plugged into a simulated bus: for tests that talk to it as a host does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/emulated_device.hpp"
#include "periprox/emulated/function.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::emulated::testing {

/// One device of some functions, configured, and a host.
class FunctionRig {
 public:
  void plug(const std::vector<FunctionMaker>& functions, usb::Speed speed = usb::Speed::High) {
    auto created = EmulatedDevice::create(
        device_of({.idVendor = 1, .idProduct = 2}, functions, speed), speed, timers);
    device = std::move(created).value();
    host = std::make_unique<usb::testing::TestHost>(*device);
  }
  /// Reads `length` bytes from an IN endpoint, waiting for at most `patience`.
  usb::testing::Completion read(usb::EndpointAddress endpoint, std::uint32_t length,
                                Duration patience = std::chrono::seconds(1)) {
    const auto id = host->in(endpoint, length);
    for (Duration waited{}; waited < patience && host->times_completed(id) == 0;
         waited += std::chrono::microseconds(125)) {
      timers.advance(std::chrono::microseconds(125));
    }
    return host->outcome(id);
  }
  usb::testing::Completion write(usb::EndpointAddress endpoint, Bytes data) {
    return host->outcome(host->out(endpoint, data));
  }
  usb::testing::Completion control(const usb::SetupPacket& setup, Bytes data = {}) {
    return host->outcome(host->control(setup, data));
  }

  SimulatedTimers timers;
  std::unique_ptr<EmulatedDevice> device;
  std::unique_ptr<usb::testing::TestHost> host;
};

}  // namespace periprox::emulated::testing
