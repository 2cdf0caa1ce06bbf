// The engine while things change: settings, resets, and what may happen while somebody gets an URB
// back.
#include "periprox/emulated/emulated_device_testing.hpp"

namespace periprox::emulated {
namespace {

// --- Changes of settings -------------------------------------------------------------------------

TEST_F(EmulatedDeviceTest, SetInterfaceGivesBackWhatWaitsOnItsEndpoints) {
  plug({bulk_in(1, {})});
  const auto id = host->in(kIn1, 512);
  const auto set = host->control(SetupPacket::set_interface(0, 0));
  EXPECT_EQ(host->outcome(id).status, Status::Shutdown);
  EXPECT_EQ(host->outcome(set).status, Status::Ok);
  EXPECT_EQ(device->model().alternate_setting(0), 0);
  EXPECT_EQ(host->outcome(host->in(kIn1, 512)).status, Status::Killed);
}

TEST_F(EmulatedDeviceTest, SetInterfaceClearsHalts) {
  plug({bulk_in(1, [](InTransfer t) { t.stall(); })});
  host->in(kIn1, 512);
  host->control(SetupPacket::set_interface(0, 1));
  const auto status = host->control({0x82, 0, 0, 0x81, 2});
  EXPECT_EQ(host->outcome(status).data, raw_bytes({0, 0}));
}

TEST_F(EmulatedDeviceTest, SetConfigurationToTheSameValueStartsOver) {
  plug({bulk_in(1, {})});
  const auto id = host->in(kIn1, 512);
  host->control(SetupPacket::set_configuration(1));
  EXPECT_EQ(host->outcome(id).status, Status::Shutdown);
  EXPECT_EQ(device->model().alternate_setting(0), 0);
}

TEST_F(EmulatedDeviceTest, ResetPutsSettingsBackAndTellsTheDeclaration) {
  int resets = 0;
  auto declaration = with_endpoints({bulk_in(1, {})});
  declaration.on_reset = [&] { ++resets; };
  plug(std::move(declaration), Speed::High);
  host->control(SetupPacket::port_reset());
  EXPECT_EQ(resets, 1);
  EXPECT_EQ(device->model().alternate_setting(0), 0);
  EXPECT_EQ(device->model().configuration_value(), 1);
}

TEST_F(EmulatedDeviceTest, TellsTheInterfaceItsNewSetting) {
  std::vector<int> told;
  auto declaration = with_endpoints({bulk_in(1, {})});
  declaration.configurations[0].interfaces[0].on_alternate = [&](int value) {
    told.push_back(value);
  };
  plug(std::move(declaration), Speed::High);
  host->control(SetupPacket::set_interface(0, 0));
  EXPECT_THAT(told, ElementsAre(1, 0));
}

TEST_F(EmulatedDeviceTest, ASettingOfOneInterfaceLeavesTheOthersAlone) {
  auto declaration = with_endpoints({bulk_in(1, {})});
  declaration.configurations[0].interfaces.push_back(
      {.settings = {{}, {.endpoints = {iso_in(2, {.max_packet_size = 8, .interval = 1ms}, {})}}}});
  plug(std::move(declaration), Speed::Full);
  host->control(SetupPacket::set_interface(1, 1));
  const auto first = host->isochronous(EndpointAddress(0x82), 4, 8);
  host->control(SetupPacket::set_interface(0, 0));
  const auto second = host->isochronous(EndpointAddress(0x82), 4, 8);
  timers.advance(20ms);
  EXPECT_EQ(host->outcome(first).status, Status::Ok);
  EXPECT_EQ(host->outcome(first).start_frame, 1);
  EXPECT_EQ(host->outcome(second).start_frame, 5);
}

TEST_F(EmulatedDeviceTest, CompletesNothingElseWithinCancel) {
  int served = 0;
  InTransfer held;
  plug({bulk_in(1, [&](InTransfer t) {
    if (served++ == 0)
      held = std::move(t);
    else
      t.send(counting(1));
  })});
  const auto first = host->in(kIn1, 512);
  const auto second = host->in(kIn1, 512);
  host->cancel(first);
  EXPECT_EQ(host->times_completed(second), 0U);
  timers.advance(0ns);
  EXPECT_EQ(host->outcome(second).status, Status::Ok);
}

// --- From within a completion --------------------------------------------------------------------

TEST_F(EmulatedDeviceTest, ResubmissionDuringAResetIsServedAfterIt) {
  plug({bulk_in(1, {})});
  const auto first = host->in(kIn1, 512);
  const auto second = host->in(kIn1, 512);
  std::uint64_t again = 0;
  host->then = [&](std::uint64_t id) {
    if (id == first) again = host->control(SetupPacket::get_descriptor(1, 0, 18));
  };
  host->control(SetupPacket::port_reset());
  EXPECT_EQ(host->outcome(first).status, Status::Cancelled);
  EXPECT_EQ(host->outcome(second).status, Status::Cancelled);
  EXPECT_EQ(host->outcome(again).status, Status::Ok);
}

TEST_F(EmulatedDeviceTest, CancellingAnotherFromACompletionIsHarmless) {
  plug({bulk_out(1, [](OutTransfer t) { t.accept(); }), bulk_in(2, {})});
  const auto waiting = host->in(EndpointAddress(0x82), 512);
  host->then = [&](std::uint64_t id) {
    if (id != waiting) host->cancel(waiting);
  };
  host->out(kOut1, counting(1));
  EXPECT_EQ(host->outcome(waiting).status, Status::Cancelled);
}

TEST_F(EmulatedDeviceTest, MayBeDestroyedFromACompletion) {
  plug({bulk_in(1, {}), bulk_out(1, [](OutTransfer t) { t.accept(); })});
  const auto waiting = host->in(kIn1, 512);
  std::uint64_t out = 0;
  host->then = [&](std::uint64_t id) {
    if (id != waiting) device.reset();
  };
  out = host->out(kOut1, counting(1));
  EXPECT_EQ(host->outcome(out).status, Status::Ok);
  EXPECT_EQ(host->outcome(waiting).status, Status::DeviceGone);
}

TEST_F(EmulatedDeviceTest, MayBeDestroyedFromACompletionOfAReset) {
  plug({bulk_in(1, {})});
  const auto waiting = host->in(kIn1, 512);
  host->then = [&](std::uint64_t) { device.reset(); };
  const auto reset = host->control(SetupPacket::port_reset());
  EXPECT_EQ(host->outcome(waiting).status, Status::Cancelled);
  EXPECT_EQ(host->outcome(reset).status, Status::DeviceGone);
}

TEST_F(EmulatedDeviceTest, TicketsMayOutliveTheDevice) {
  InTransfer held;
  plug({bulk_in(1, [&](InTransfer t) { held = std::move(t); })});
  const auto id = host->in(kIn1, 512);
  device.reset();
  EXPECT_EQ(host->outcome(id).status, Status::DeviceGone);
  EXPECT_FALSE(held.pending());
  held.send(counting(1));
}

TEST_F(EmulatedDeviceTest, LeavesNoTimerBehind) {
  plug({interrupt_in(1, {.max_packet_size = 8, .interval = 8ms},
                     [](InTransfer t) { t.send(counting(8)); })});
  host->in(kIn1, 8);
  host->in(kIn1, 8);
  ASSERT_EQ(timers.pending(), 1U);
  device.reset();
  EXPECT_EQ(timers.pending(), 0U);
}

TEST_F(EmulatedDeviceTest, OnGoneAfterUnplugIsTold) {
  plug({});
  device->unplug();
  bool told = false;
  device->on_gone([&] { told = true; });
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace periprox::emulated
