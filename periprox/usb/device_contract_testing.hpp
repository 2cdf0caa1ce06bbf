// What every usb::Device promises, as tests: one suite for emulated, physical, recorded and remote
// devices and for stages in front of them.
//
// One test file of a room includes this and instantiates the suite with a function that makes a
// rig:
//
//   INSTANTIATE_TEST_SUITE_P(Emulated, DeviceContract, ::testing::Values(&make_emulated_rig));
//
// Only for test programs: it needs GoogleTest.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "periprox/usb/device.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::usb::testing {

/// A device for the suite, configured, with these endpoints; all of one interface.
struct DeviceRig {
  std::shared_ptr<void> keep;  ///< What the device needs to live (timers, the other side).
  std::unique_ptr<Device> device;
  EndpointAddress bulk_in;    ///< Always has data, at least 64 bytes of it.
  EndpointAddress bulk_out;   ///< Takes everything.
  EndpointAddress silent_in;  ///< Never has data.
  /// Lets time and I/O go on until everything that can complete has completed.
  std::function<void()> run = [] {};
  /// Takes the device out of its port; empty when the rig cannot.
  std::function<void()> unplug;
};

using MakeDeviceRig = DeviceRig (*)();

class DeviceContract : public ::testing::TestWithParam<MakeDeviceRig> {
 protected:
  /// SET_FEATURE(ENDPOINT_HALT): only for tests, but every device understands it.
  static SetupPacket set_halt(EndpointAddress endpoint) {
    return {0x02, static_cast<std::uint8_t>(StandardRequest::SetFeature), kFeatureEndpointHalt,
            endpoint.value(), 0};
  }
  static SetupPacket get_device_descriptor(std::uint16_t length) {
    return SetupPacket::get_descriptor(static_cast<std::uint8_t>(DescriptorType::Device), 0,
                                       length);
  }

  DeviceRig rig = GetParam()();
  std::vector<std::byte> data = std::vector<std::byte>(64);
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DeviceContract);

TEST_P(DeviceContract, AnswersDeviceDescriptorOfItsModel) {
  TestHost host(*rig.device);
  const auto id = host.control(get_device_descriptor(18));
  rig.run();
  const auto outcome = host.outcome(id);
  ASSERT_EQ(outcome.status, Status::Ok);
  ASSERT_EQ(outcome.data.size(), sizeof(DeviceDescriptor));
  EXPECT_TRUE(std::ranges::equal(outcome.data, bytes_of(rig.device->model().descriptor())));
}

TEST_P(DeviceContract, CompletesEveryUrbExactlyOnce) {
  TestHost host(*rig.device);
  const auto control = host.control(get_device_descriptor(8));
  const auto in = host.in(rig.bulk_in, 64);
  const auto out = host.out(rig.bulk_out, data);
  rig.run();
  EXPECT_EQ(host.times_completed(control), 1U);
  EXPECT_EQ(host.times_completed(in), 1U);
  EXPECT_EQ(host.times_completed(out), 1U);
  EXPECT_EQ(host.outcome(control).status, Status::Ok);
  EXPECT_EQ(host.outcome(in).actual_length, 64U);
  EXPECT_EQ(host.outcome(out).actual_length, 64U);
  EXPECT_EQ(host.pending(), 0U);
}

TEST_P(DeviceContract, CompletesUrbsOfOneEndpointInOrder) {
  TestHost host(*rig.device);
  std::vector<std::uint64_t> submitted(200);
  for (auto& urb : submitted) urb = host.out(rig.bulk_out, data);
  rig.run();
  EXPECT_EQ(host.order(), submitted);
}

TEST_P(DeviceContract, KillsUrbToAnEndpointThatIsNotThere) {
  TestHost host(*rig.device);
  const auto in = host.in(EndpointAddress(13, Direction::In), 64);
  const auto out = host.out(EndpointAddress(13, Direction::Out), data);
  rig.run();
  EXPECT_EQ(host.outcome(in).status, Status::Killed);
  EXPECT_EQ(host.outcome(out).status, Status::Killed);
}

TEST_P(DeviceContract, CancelsAPendingUrbOnce) {
  TestHost host(*rig.device);
  const auto id = host.in(rig.silent_in, 8);
  rig.run();
  ASSERT_EQ(host.times_completed(id), 0U);
  host.cancel(id);
  rig.run();
  EXPECT_EQ(host.times_completed(id), 1U);
  EXPECT_EQ(host.outcome(id).status, Status::Cancelled);
  EXPECT_EQ(host.outcome(id).actual_length, 0U);
}

TEST_P(DeviceContract, CancelLeavesTheOthersOfTheEndpointAlone) {
  TestHost host(*rig.device);
  const auto first = host.in(rig.silent_in, 8);
  const auto second = host.in(rig.silent_in, 8);
  const auto third = host.in(rig.silent_in, 8);
  rig.run();
  host.cancel(second);
  rig.run();
  EXPECT_EQ(host.outcome(second).status, Status::Cancelled);
  EXPECT_EQ(host.times_completed(first), 0U);
  EXPECT_EQ(host.times_completed(third), 0U);
  host.cancel(third);
  host.cancel(first);
  rig.run();
  EXPECT_EQ(host.outcome(first).status, Status::Cancelled);
  EXPECT_EQ(host.outcome(third).status, Status::Cancelled);
}

TEST_P(DeviceContract, EndpointsDoNotWaitForEachOther) {
  TestHost host(*rig.device);
  const auto silent = host.in(rig.silent_in, 8);
  const auto out = host.out(rig.bulk_out, data);
  const auto control = host.control(get_device_descriptor(18));
  rig.run();
  EXPECT_EQ(host.times_completed(silent), 0U);
  EXPECT_EQ(host.outcome(out).status, Status::Ok);
  EXPECT_EQ(host.outcome(control).status, Status::Ok);
  host.cancel(silent);
  rig.run();
  EXPECT_EQ(host.pending(), 0U);
}

TEST_P(DeviceContract, StallsUrbsToAHaltedEndpointUntilItIsCleared) {
  TestHost host(*rig.device);
  const auto halted = host.control(set_halt(rig.bulk_in));
  rig.run();
  ASSERT_EQ(host.outcome(halted).status, Status::Ok);
  const auto stalled = host.in(rig.bulk_in, 64);
  const auto still_stalled = host.in(rig.bulk_in, 64);
  rig.run();
  const auto cleared = host.control(SetupPacket::clear_halt(rig.bulk_in));
  rig.run();
  const auto after = host.in(rig.bulk_in, 64);
  rig.run();
  EXPECT_EQ(host.outcome(stalled).status, Status::Stalled);
  EXPECT_EQ(host.outcome(still_stalled).status, Status::Stalled);
  EXPECT_EQ(host.outcome(cleared).status, Status::Ok);
  EXPECT_EQ(host.outcome(after).status, Status::Ok);
}

TEST_P(DeviceContract, RecoversFromAControlStallByItself) {
  TestHost host(*rig.device);
  const auto interface_descriptor = SetupPacket::get_descriptor(4, 0, 9);
  const auto stalled = host.control(interface_descriptor);
  const auto next = host.control(get_device_descriptor(18));
  rig.run();
  EXPECT_EQ(host.outcome(stalled).status, Status::Stalled);
  EXPECT_EQ(host.outcome(next).status, Status::Ok);
}

TEST_P(DeviceContract, ReportsAShortTransferOnlyWhenAsked) {
  TestHost host(*rig.device);
  const auto allowed = host.control(get_device_descriptor(64));
  const auto forbidden = host.control(get_device_descriptor(64), {}, {.short_not_ok = true});
  rig.run();
  EXPECT_EQ(host.outcome(allowed).status, Status::Ok);
  EXPECT_EQ(host.outcome(allowed).actual_length, 18U);
  EXPECT_EQ(host.outcome(forbidden).status, Status::ShortTransfer);
  EXPECT_EQ(host.outcome(forbidden).actual_length, 18U);
}

TEST_P(DeviceContract, AnswersSetAddressLocally) {
  TestHost host(*rig.device);
  const auto id =
      host.control({0x00, static_cast<std::uint8_t>(StandardRequest::SetAddress), 7, 0, 0});
  const auto next = host.control(get_device_descriptor(18));
  rig.run();
  EXPECT_EQ(host.outcome(id).status, Status::Ok);
  EXPECT_EQ(host.outcome(next).status, Status::Ok);
}

TEST_P(DeviceContract, PortResetCancelsWhatIsPendingAndKeepsTheConfiguration) {
  TestHost host(*rig.device);
  const auto configuration = rig.device->model().configuration_value();
  const auto pending = host.in(rig.silent_in, 8);
  rig.run();
  const auto reset = host.control(SetupPacket::port_reset());
  rig.run();
  EXPECT_EQ(host.outcome(pending).status, Status::Cancelled);
  EXPECT_EQ(host.outcome(reset).status, Status::Ok);
  EXPECT_EQ(rig.device->model().configuration_value(), configuration);
  const auto after = host.out(rig.bulk_out, data);
  rig.run();
  EXPECT_EQ(host.outcome(after).status, Status::Ok);
}

TEST_P(DeviceContract, PortResetClearsHalts) {
  TestHost host(*rig.device);
  host.control(set_halt(rig.bulk_in));
  rig.run();
  host.control(SetupPacket::port_reset());
  rig.run();
  const auto after = host.in(rig.bulk_in, 64);
  rig.run();
  EXPECT_EQ(host.outcome(after).status, Status::Ok);
}

TEST_P(DeviceContract, SetConfigurationIsSeenInTheModel) {
  TestHost host(*rig.device);
  const auto configuration = rig.device->model().configuration_value();
  const auto unconfigured = host.control(SetupPacket::set_configuration(0));
  rig.run();
  EXPECT_EQ(host.outcome(unconfigured).status, Status::Ok);
  EXPECT_EQ(rig.device->model().configuration_value(), 0);
  const auto killed = host.in(rig.bulk_in, 64);
  rig.run();
  EXPECT_EQ(host.outcome(killed).status, Status::Killed);
  const auto configured = host.control(SetupPacket::set_configuration(configuration));
  rig.run();
  EXPECT_EQ(host.outcome(configured).status, Status::Ok);
  EXPECT_EQ(rig.device->model().configuration_value(), configuration);
}

TEST_P(DeviceContract, UnplugCompletesEverythingThenTellsOnce) {
  if (!rig.unplug) GTEST_SKIP() << "this rig cannot unplug its device";
  TestHost host(*rig.device);
  int told = 0;
  std::size_t pending_when_told = 99;
  rig.device->on_gone([&] {
    ++told;
    pending_when_told = host.pending();
  });
  const auto pending = host.in(rig.silent_in, 8);
  rig.run();
  rig.unplug();
  rig.run();
  EXPECT_EQ(host.outcome(pending).status, Status::DeviceGone);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(pending_when_told, 0U);
  const auto late = host.control(get_device_descriptor(18));
  rig.run();
  EXPECT_EQ(host.outcome(late).status, Status::DeviceGone);
  EXPECT_EQ(told, 1);
}

TEST_P(DeviceContract, DestroyingItCompletesEverything) {
  TestHost host(*rig.device);
  const auto pending = host.in(rig.silent_in, 8);
  rig.run();
  rig.device.reset();
  rig.run();
  EXPECT_EQ(host.times_completed(pending), 1U);
}

}  // namespace periprox::usb::testing
