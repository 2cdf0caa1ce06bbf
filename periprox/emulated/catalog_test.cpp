#include "periprox/emulated/catalog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/simulated_timers.hpp"

namespace periprox::emulated {
namespace {

using ::testing::HasSubstr;

TEST(Catalog, CreatesEveryTypeWithItsFallbacks) {
  SimulatedTimers timers;
  for (const auto& type : catalog()) {
    const auto device = create(type.name, {}, timers);
    EXPECT_TRUE(device) << device.error().text();
  }
}

TEST(Catalog, EveryTypeHasTheCommonSettingsAndHelpForEach) {
  for (const auto& type : catalog()) {
    int common = 0;
    for (const auto& setting : type.settings) {
      if (setting.name == "speed" || setting.name == "serial") ++common;
      EXPECT_FALSE(setting.help.empty()) << type.name << " " << setting.name;
    }
    EXPECT_EQ(common, 2) << type.name;
  }
}

TEST(Catalog, NamesTheDevicesWhenOneIsUnknown) {
  SimulatedTimers timers;
  const auto device = create("toaster", {}, timers);
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().kind, Error::Kind::Usage);
  EXPECT_THAT(device.error().text(), HasSubstr("go_temp, "));
}

TEST(Catalog, SpeedChoosesTheDescriptors) {
  SimulatedTimers timers;
  EXPECT_EQ(create("zero", {{"speed", "super"}}, timers).value()->model().speed(),
            usb::Speed::Super);
  EXPECT_EQ(create("zero", {{"speed", "super-plus"}}, timers).value()->model().speed(),
            usb::Speed::SuperPlus);
}

TEST(Catalog, RefusesAnUnknownSpeed) {
  SimulatedTimers timers;
  const auto device = create("zero", {{"speed", "warp"}}, timers);
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().text(), HasSubstr("low, full, high, super or super-plus"));
}

TEST(Catalog, RefusesASpeedTheDeviceDoesNotHaveWithTheReason) {
  SimulatedTimers timers;
  const auto slow = create("zero", {{"speed", "low"}}, timers);
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().kind, Error::Kind::Usage);
  EXPECT_THAT(slow.error().text(), HasSubstr("low speed has no bulk"));
  const auto fast = create("go_temp", {{"speed", "high"}}, timers);
  ASSERT_FALSE(fast);
  EXPECT_THAT(fast.error().text(), HasSubstr("choose one of: low"));
}

TEST(Catalog, SerialNumberIsTheDevices) {
  SimulatedTimers timers;
  const auto device = create("go_temp", {{"serial", "42"}}, timers).value();
  EXPECT_EQ(device->model().serial_number, "42");
  EXPECT_EQ(device->model().descriptor().iSerialNumber, 3);
}

}  // namespace
}  // namespace periprox::emulated
