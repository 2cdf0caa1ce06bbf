// What the tests of the engine share: a host and a device whose interface 0 is in setting 1.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/constant_data.hpp"
#include "periprox/emulated/emulated_device.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::emulated {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Speed;
using usb::Status;
using usb::testing::TestHost;

inline constexpr EndpointAddress kIn1(0x81);
inline constexpr EndpointAddress kOut1(0x01);

inline std::vector<std::byte> counting(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

inline Declaration with_endpoints(std::vector<Endpoint> endpoints) {
  return {
      .idVendor = 0x1209,
      .idProduct = 0x0001,
      .product = "Test",
      .configurations = {{.interfaces = {{.settings = {{.class_code = {0xff, 0, 0}},
                                                       {.class_code = {0xff, 0, 0},
                                                        .endpoints = std::move(endpoints)}}}}}}};
}

/// A device whose interface 0 is in setting 1, where its endpoints are.
class EmulatedDeviceTest : public ::testing::Test {
 protected:
  void plug(std::vector<Endpoint> endpoints, Speed speed = Speed::High) {
    plug(with_endpoints(std::move(endpoints)), speed);
  }
  void plug(Declaration declaration, Speed speed) {
    auto created = EmulatedDevice::create(std::move(declaration), speed, timers);
    ASSERT_TRUE(created) << created.error().text();
    device = std::move(*created);
    host = std::make_unique<TestHost>(*device);
    host->control(SetupPacket::set_interface(0, 1));
  }

  SimulatedTimers timers;
  std::unique_ptr<EmulatedDevice> device;
  std::unique_ptr<TestHost> host;
};

}  // namespace periprox::emulated
