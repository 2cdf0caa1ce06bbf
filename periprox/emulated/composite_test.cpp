#include "periprox/emulated/composite.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/declaration.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::emulated {
namespace {

using ::testing::HasSubstr;
using usb::testing::TestHost;

class CompositeTest : public ::testing::Test {
 protected:
  std::string refusal(const Settings& settings) {
    const auto created = create("composite", settings, timers);
    return created ? std::string("created") : created.error().text();
  }

  SimulatedTimers timers;
};

TEST_F(CompositeTest, NumbersInterfacesAndEndpointsOneAfterTheOther) {
  const auto device = create("composite", {{"of", "keyboard,serial,storage"}}, timers).value();
  const auto& configuration = *device->model().active_configuration();
  ASSERT_EQ(configuration.interfaces.size(), 4U);
  ASSERT_EQ(configuration.associations.size(), 1U);
  EXPECT_EQ(configuration.associations[0].bFirstInterface, 1);
  std::vector<int> addresses;
  for (const auto& interface : configuration.interfaces) {
    for (const auto& endpoint : interface.alternate_settings.at(0).endpoints) {
      addresses.push_back(endpoint.address().value());
    }
  }
  EXPECT_THAT(addresses, ::testing::ElementsAre(0x81, 0x82, 0x83, 0x03, 0x84, 0x04));
  EXPECT_THAT(usb::check_configuration(configuration, usb::Speed::High), ::testing::IsEmpty());
}

TEST_F(CompositeTest, ContainsEveryFunctionThatThereIs) {
  const auto device =
      create("composite", {{"of", "audio,camera,network,keyboard,serial,storage"}}, timers).value();
  const auto& configuration = *device->model().active_configuration();
  EXPECT_EQ(configuration.interfaces.size(), 11U);
  EXPECT_EQ(configuration.associations.size(), 4U);
  EXPECT_THAT(usb::check_configuration(configuration, usb::Speed::High), ::testing::IsEmpty());
}

TEST_F(CompositeTest, RequestsFindTheFunctionTheyAreFor) {
  const auto device = create("composite", {{"of", "keyboard,storage"}}, timers).value();
  TestHost host(*device);
  const auto max_lun = host.control({0xa1, 0xfe, 0, 1, 1});
  EXPECT_EQ(host.outcome(max_lun).data, raw_bytes({0}));
  const auto misled = host.control({0xa1, 0xfe, 0, 0, 1});
  EXPECT_EQ(host.outcome(misled).status, usb::Status::Stalled);
}

TEST_F(CompositeTest, HandsSettingsToItsFunctions) {
  const auto device =
      create("composite",
             {{"of", "storage,storage"}, {"storage.size", "4K"}, {"storage2.size", "1M"}}, timers);
  EXPECT_TRUE(device) << device.error().text();
  EXPECT_THAT(refusal({{"of", "storage,storage"}, {"storage2.size", "tiny"}}),
              HasSubstr("cannot emulate storage2: size=tiny is not a size"));
  EXPECT_THAT(refusal({{"of", "storage"}, {"storage.colour", "red"}}),
              HasSubstr("it has no setting 'colour'"));
  EXPECT_THAT(refusal({{"of", "storage"}, {"mouse.input", "-"}}),
              HasSubstr("'mouse.input' is a setting of no function in it"));
}

TEST_F(CompositeTest, RefusesWhatIsNoFunction) {
  EXPECT_THAT(refusal({{"of", "keyboard,zero"}}),
              HasSubstr("of=keyboard,zero is not a list of functions (audio, camera, "));
  EXPECT_THAT(refusal({{"of", "composite"}}), HasSubstr("is not a list of functions"));
  EXPECT_THAT(refusal({{"of", ""}}), HasSubstr("is not a list of 1 to 8 functions"));
}

TEST_F(CompositeTest, ItsStringsNameItsFunctions) {
  const auto device = create("composite", {{"of", "serial"}, {"serial", "C1"}}, timers).value();
  EXPECT_EQ(device->model().serial_number, "C1");
  EXPECT_NE(device->model().active_configuration()->associations.at(0).iFunction, 0);
}

}  // namespace
}  // namespace periprox::emulated
