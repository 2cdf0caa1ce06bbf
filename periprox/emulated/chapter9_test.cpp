// Standard requests, each as the standard says; what usbtest's cases 9 and 10 ask is in
// zero_test.cpp.
#include "periprox/emulated/chapter9.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/emulated_device.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::emulated {
namespace {

using usb::SetupPacket;
using usb::Speed;
using usb::Status;
using usb::testing::TestHost;

Declaration two_settings(bool remote_wakeup) {
  return {.idVendor = 0x1209,
          .idProduct = 0x0001,
          .manufacturer = "Maker",
          .product = "Größe",
          .configurations = {
              {.self_powered = true,
               .remote_wakeup = remote_wakeup,
               .interfaces = {
                   {.settings = {{.class_code = {3, 0, 0},
                                  .descriptors = {raw_bytes({9, 0x21, 0x11, 1, 0, 1, 0x22, 3, 0})},
                                  .endpoints = {bulk_in(1, {})}},
                                 {.class_code = {3, 0, 0}}},
                    .served = {{0x22, 0, raw_bytes({1, 2, 3})}}}}}}};
}

class Chapter9Test : public ::testing::TestWithParam<Speed> {
 protected:
  explicit Chapter9Test(bool remote_wakeup = true)
      : device(EmulatedDevice::create(two_settings(remote_wakeup), GetParam(), timers).value()) {}

  usb::testing::Completion ask(const SetupPacket& setup) {
    const std::vector<std::byte> zeros(setup.wLength);
    return host.outcome(host.control(setup, zeros));
  }

  SimulatedTimers timers;
  std::unique_ptr<EmulatedDevice> device;
  TestHost host{*device};
};

class Chapter9AtHighSpeed : public Chapter9Test {};
INSTANTIATE_TEST_SUITE_P(High, Chapter9AtHighSpeed, ::testing::Values(Speed::High));
class Chapter9AtFullSpeed : public Chapter9Test {};
INSTANTIATE_TEST_SUITE_P(Full, Chapter9AtFullSpeed, ::testing::Values(Speed::Full));
class Chapter9AtSuperSpeed : public Chapter9Test {};
INSTANTIATE_TEST_SUITE_P(Super, Chapter9AtSuperSpeed, ::testing::Values(Speed::Super));

TEST_P(Chapter9AtHighSpeed, StartsConfigured) {
  EXPECT_EQ(ask({0x80, 8, 0, 0, 1}).data, raw_bytes({1}));
}

TEST_P(Chapter9AtHighSpeed, StallsAnUnknownConfiguration) {
  EXPECT_EQ(ask(SetupPacket::set_configuration(9)).status, Status::Stalled);
  EXPECT_EQ(ask({0x80, 8, 0, 0, 1}).data, raw_bytes({1}));
}

TEST_P(Chapter9AtHighSpeed, SetsAndTellsAlternateSettings) {
  EXPECT_EQ(ask(SetupPacket::set_interface(0, 1)).status, Status::Ok);
  EXPECT_EQ(ask({0x81, 10, 0, 0, 1}).data, raw_bytes({1}));
  EXPECT_EQ(ask(SetupPacket::set_interface(0, 2)).status, Status::Stalled);
  EXPECT_EQ(ask(SetupPacket::set_interface(1, 0)).status, Status::Stalled);
}

TEST_P(Chapter9AtHighSpeed, TellsSelfPoweredAndRemoteWakeup) {
  EXPECT_EQ(ask({0x80, 0, 0, 0, 2}).data, raw_bytes({1, 0}));
  EXPECT_EQ(ask({0x00, 3, 1, 0, 0}).status, Status::Ok);
  EXPECT_EQ(ask({0x80, 0, 0, 0, 2}).data, raw_bytes({3, 0}));
  EXPECT_EQ(ask({0x00, 1, 1, 0, 0}).status, Status::Ok);
  EXPECT_EQ(ask({0x80, 0, 0, 0, 2}).data, raw_bytes({1, 0}));
}

TEST_P(Chapter9AtHighSpeed, ForgetsRemoteWakeupOnReset) {
  ask({0x00, 3, 1, 0, 0});
  ask(SetupPacket::port_reset());
  EXPECT_EQ(ask({0x80, 0, 0, 0, 2}).data, raw_bytes({1, 0}));
}

TEST_P(Chapter9AtHighSpeed, TellsTheHaltOfAnEndpoint) {
  EXPECT_EQ(ask({0x82, 0, 0, 0x81, 2}).data, raw_bytes({0, 0}));
  EXPECT_EQ(ask({0x02, 3, 0, 0x81, 0}).status, Status::Ok);
  EXPECT_EQ(ask({0x82, 0, 0, 0x81, 2}).data, raw_bytes({1, 0}));
  EXPECT_EQ(ask(SetupPacket::clear_halt(usb::EndpointAddress(0x81))).status, Status::Ok);
  EXPECT_EQ(ask({0x82, 0, 0, 0x81, 2}).data, raw_bytes({0, 0}));
}

TEST_P(Chapter9AtHighSpeed, StallsRequestsToAnEndpointThatIsNotThere) {
  EXPECT_EQ(ask({0x82, 0, 0, 0x05, 2}).status, Status::Stalled);
  EXPECT_EQ(ask({0x02, 3, 0, 0x05, 0}).status, Status::Stalled);
}

TEST_P(Chapter9AtHighSpeed, EndpointZeroIsNeverHalted) {
  EXPECT_EQ(ask({0x82, 0, 0, 0, 2}).data, raw_bytes({0, 0}));
  EXPECT_EQ(ask({0x02, 3, 0, 0, 0}).status, Status::Stalled);
  EXPECT_EQ(ask({0x02, 1, 0, 0, 0}).status, Status::Ok);
}

TEST_P(Chapter9AtHighSpeed, AnswersStrings) {
  EXPECT_EQ(ask(SetupPacket::get_descriptor(3, 0, 255)).data, raw_bytes({4, 3, 9, 4}));
  const auto text = usb::parse_string(ask(SetupPacket::get_descriptor(3, 2, 255, 0x0409)).data);
  EXPECT_EQ(text, "Größe");
  EXPECT_EQ(ask(SetupPacket::get_descriptor(3, 9, 255, 0x0409)).status, Status::Stalled);
  EXPECT_EQ(ask(SetupPacket::get_descriptor(3, 2, 255, 0x0407)).status, Status::Stalled);
}

TEST_P(Chapter9AtHighSpeed, AnswersClassDescriptorsAtTheInterface) {
  EXPECT_EQ(ask({0x81, 6, 0x2200, 0, 64}).data, raw_bytes({1, 2, 3}));
  EXPECT_EQ(ask({0x81, 6, 0x2100, 0, 64}).data.size(), 9U);
  EXPECT_EQ(ask({0x81, 6, 0x2300, 0, 64}).status, Status::Stalled);
  EXPECT_EQ(ask({0x81, 6, 0x2200, 1, 64}).status, Status::Stalled);
}

TEST_P(Chapter9AtHighSpeed, DescribesItselfAtFullSpeed) {
  EXPECT_EQ(ask(SetupPacket::get_descriptor(6, 0, 10)).data,
            raw_bytes({10, 6, 0, 2, 0, 0, 0, 64, 1, 0}));
  const auto other = ask(SetupPacket::get_descriptor(7, 0, 255)).data;
  ASSERT_FALSE(other.empty());
  EXPECT_EQ(other[1], std::byte{7});
  EXPECT_EQ(ask(SetupPacket::get_descriptor(7, 1, 255)).status, Status::Stalled);
}

TEST_P(Chapter9AtHighSpeed, HasNoBos) {
  EXPECT_EQ(ask(SetupPacket::get_descriptor(15, 0, 5)).status, Status::Stalled);
}

TEST_P(Chapter9AtHighSpeed, StallsSuperSpeedRequests) {
  EXPECT_EQ(ask({0x00, 48, 0, 0, 6}).status, Status::Stalled);
  EXPECT_EQ(ask({0x00, 49, 40, 0, 0}).status, Status::Stalled);
  EXPECT_EQ(ask({0x00, 3, 48, 0, 0}).status, Status::Stalled);
}

TEST_P(Chapter9AtHighSpeed, StallsWhatItDoesNotKnow) {
  EXPECT_EQ(ask({0x00, 7, 0x0100, 0, 18}).status, Status::Stalled) << "SET_DESCRIPTOR";
  EXPECT_EQ(ask({0x82, 12, 0, 0x81, 2}).status, Status::Stalled) << "SYNCH_FRAME";
  EXPECT_EQ(ask({0x00, 3, 2, 0x0100, 0}).status, Status::Stalled) << "TEST_MODE";
}

TEST_P(Chapter9AtHighSpeed, UnconfiguredHasNoInterfaces) {
  EXPECT_EQ(ask(SetupPacket::set_configuration(0)).status, Status::Ok);
  EXPECT_EQ(ask({0x81, 10, 0, 0, 1}).status, Status::Stalled);
  EXPECT_EQ(ask({0x81, 0, 0, 0, 2}).status, Status::Stalled);
  EXPECT_EQ(ask({0x80, 8, 0, 0, 1}).data, raw_bytes({0}));
}

TEST_P(Chapter9AtFullSpeed, DescribesItselfAtHighSpeed) {
  EXPECT_EQ(ask(SetupPacket::get_descriptor(6, 0, 10)).status, Status::Ok);
  auto other = ask(SetupPacket::get_descriptor(7, 0, 255)).data;
  ASSERT_GT(other.size(), 1U);
  other[1] = std::byte{2};
  const auto parsed = usb::parse_configuration(other);
  ASSERT_TRUE(parsed);
  const auto& setting = parsed->configuration.interfaces[0].alternate_settings[0];
  EXPECT_EQ(setting.endpoints[0].descriptor.wMaxPacketSize, 512);
}

TEST_P(Chapter9AtSuperSpeed, HasABosWithoutLinkPowerManagement) {
  const auto bos = usb::parse_bos(ask(SetupPacket::get_descriptor(15, 0, 255)).data);
  ASSERT_TRUE(bos);
  EXPECT_TRUE(bos->findings.empty());
  ASSERT_EQ(bos->bos.capabilities.size(), 2U);
  EXPECT_EQ(bos->bos.capabilities[0], raw_bytes({7, 0x10, 2, 0, 0, 0, 0}));
  EXPECT_EQ(bos->bos.capabilities[1], raw_bytes({10, 0x10, 3, 0, 0x0e, 0, 1, 0, 0, 0}));
}

TEST_P(Chapter9AtSuperSpeed, HasNoQualifier) {
  EXPECT_EQ(ask(SetupPacket::get_descriptor(6, 0, 10)).status, Status::Stalled);
  EXPECT_EQ(ask(SetupPacket::get_descriptor(7, 0, 255)).status, Status::Stalled);
}

TEST_P(Chapter9AtSuperSpeed, TakesSelAndIsochDelayAndSuspend) {
  EXPECT_EQ(ask({0x00, 48, 0, 0, 6}).status, Status::Ok);
  EXPECT_EQ(ask({0x00, 49, 40, 0, 0}).status, Status::Ok);
  EXPECT_EQ(ask({0x01, 3, 0, 0x0300, 0}).status, Status::Ok);
}

TEST_P(Chapter9AtSuperSpeed, SwitchesU1AndU2) {
  EXPECT_EQ(ask({0x00, 3, 48, 0, 0}).status, Status::Ok);
  EXPECT_EQ(ask({0x00, 3, 49, 0, 0}).status, Status::Ok);
  EXPECT_EQ(ask({0x80, 0, 0, 0, 2}).data, raw_bytes({0x0d, 0}));
  EXPECT_EQ(ask({0x00, 1, 48, 0, 0}).status, Status::Ok);
  EXPECT_EQ(ask({0x80, 0, 0, 0, 2}).data, raw_bytes({0x09, 0}));
}

}  // namespace
}  // namespace periprox::emulated
