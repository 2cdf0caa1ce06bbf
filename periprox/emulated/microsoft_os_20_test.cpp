#include "periprox/emulated/microsoft_os_20.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/emulated_device.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::emulated {
namespace {

using usb::testing::TestHost;

Declaration winusb_device() {
  Declaration device{.idVendor = 0x1209,
                     .idProduct = 0x0001,
                     .configurations = {{.interfaces = {{.settings = {{.class_code = {0xff}}}}}}}};
  add_microsoft_os_20(device, {.functions = {{.compatible_id = "WINUSB"}}});
  return device;
}

class MicrosoftOs20Test : public ::testing::Test {
 protected:
  SimulatedTimers timers;
  std::unique_ptr<EmulatedDevice> device =
      EmulatedDevice::create(winusb_device(), usb::Speed::High, timers).value();
  TestHost host{*device};
};

TEST_F(MicrosoftOs20Test, TheBosNamesThePlatformAndTheRequest) {
  EXPECT_EQ(device->model().descriptor().bcdUSB, 0x0210);
  const auto bos = host.outcome(host.control({0x80, 6, 0x0f00, 0, 255})).data;
  ASSERT_EQ(bos.size(), 5U + 7U + 28U);
  EXPECT_THAT(
      std::vector(bos.begin() + 12, bos.end()),
      ::testing::ElementsAreArray(raw_bytes(
          {28,   0x10, 0x05, 0,    0xdf, 0x60, 0xdd, 0xd8, 0x89, 0x45, 0xc7, 0x4c, 0x9c, 0xd2,
           0x65, 0x9d, 0x9e, 0x64, 0x8a, 0x9f, 0x00, 0x00, 0x03, 0x06, 46,   0,    0x20, 0})));
}

TEST_F(MicrosoftOs20Test, TheRequestAnswersWithTheSet) {
  const auto set = host.outcome(host.control({0xc0, 0x20, 0, 7, 255})).data;
  EXPECT_EQ(set,
            raw_bytes({10, 0, 0, 0, 0,   0,   3,   6,   46,  0,  //
                       8,  0, 1, 0, 0,   0,   36,  0,            //
                       8,  0, 2, 0, 0,   0,   28,  0,            //
                       20, 0, 3, 0, 'W', 'I', 'N', 'U', 'S', 'B', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(host.outcome(host.control({0xc0, 0x20, 0, 8, 255})).status, usb::Status::Stalled);
}

}  // namespace
}  // namespace periprox::emulated
