// Requests that change the device's settings: their order against everything else, and what they do
// to claims and to the model. That none of them blocks the loop is checked after every test.
#include <gmock/gmock.h>

#include <cerrno>
#include <semaphore>

#include "periprox/physical/device_fixture_testing.hpp"
#include "periprox/physical/usbfs_device.hpp"

namespace periprox::physical {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Status;

TEST_F(UsbfsDeviceTest, AnswersSetAddressItself) {
  open();
  device_->submit(control({0x00, 5, 7, 0, 0}));
  EXPECT_EQ(done_.urbs.at(0)->status, Status::Ok);
  EXPECT_EQ(kernel_->pending_count(), 0U);
}

TEST_F(UsbfsDeviceTest, TellsTheKernelWhenTheDeviceHasClearedAHalt) {
  open();
  device_->submit(control(SetupPacket::clear_halt(EndpointAddress(0x81))));
  EXPECT_THAT(kernel_->calls(), Not(Contains("reset_endpoint 129")));
  kernel_->complete_oldest();
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Ok);
  EXPECT_THAT(kernel_->calls(), Contains("reset_endpoint 129"));
}

TEST_F(UsbfsDeviceTest, LeavesTheKernelAloneWhenTheDeviceDoesNotClearAHalt) {
  open();
  device_->submit(control(SetupPacket::clear_halt(EndpointAddress(0x81))));
  kernel_->complete(kernel_->pending(), -EPIPE, 0);
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Stalled);
  EXPECT_THAT(kernel_->calls(), Not(Contains("reset_endpoint 129")));
}

TEST_F(UsbfsDeviceTest, AnEndpointWaitsUntilItsHaltIsClearedAndOthersDoNot) {
  open();
  device_->submit(control(SetupPacket::clear_halt(EndpointAddress(0x81)), 1));
  device_->submit(bulk_in(8, 2));
  device_->submit(bulk_out("12345678", 3));
  EXPECT_EQ(kernel_->pending_count(), 2U);
  EXPECT_EQ(kernel_->pending(1)->endpoint, 0x02);
  kernel_->complete_oldest();
  run_until([this] { return kernel_->pending_count() == 2; });
  EXPECT_EQ(kernel_->pending(1)->endpoint, 0x81);
  EXPECT_THAT(done_.order, ElementsAre(1));
}

TEST_F(UsbfsDeviceTest, AnEndpointGoesOnWhenClearingItsHaltIsCancelled) {
  open();
  auto urb = control(SetupPacket::clear_halt(EndpointAddress(0x81)), 1);
  const auto handle = urb.handle();
  device_->submit(std::move(urb));
  device_->submit(bulk_in(8, 2));
  device_->cancel(handle);
  run_until([this] { return kernel_->pending_count() == 1; });
  EXPECT_EQ(kernel_->pending()->endpoint, 0x81);
  EXPECT_THAT(done_.order, ElementsAre(1));
}

TEST_F(UsbfsDeviceTest, SendsClearHaltOfEndpointZeroToTheDevice) {
  open();
  device_->submit(control(SetupPacket::clear_halt(EndpointAddress(0x80))));
  EXPECT_EQ(kernel_->pending_count(), 1U);
}

TEST_F(UsbfsDeviceTest, StallsClearHaltOfAnEndpointThatIsNotThere) {
  kernel_->refuse = [](const usbdevfs_urb&) { return ENOENT; };  // check_ctrlrecip()
  open();
  device_->submit(control(SetupPacket::clear_halt(EndpointAddress(0x8e))));
  EXPECT_EQ(done_.urbs.at(0)->status, Status::Stalled);
}

TEST_F(UsbfsDeviceTest, SetInterfaceChangesTheModel) {
  open();
  device_->submit(control(SetupPacket::set_interface(1, 1)));
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Ok);
  EXPECT_EQ(device_->model().alternate_setting(1), 1);
  EXPECT_NE(device_->model().endpoint(EndpointAddress(0x84)), nullptr);
}

TEST_F(UsbfsDeviceTest, SetInterfaceThatFailsLeavesTheModelAlone) {
  kernel_->errors["set_interface 1 1"] = EPIPE;
  open();
  device_->submit(control(SetupPacket::set_interface(1, 1)));
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Stalled);
  EXPECT_EQ(device_->model().alternate_setting(1), 0);
}

TEST_F(UsbfsDeviceTest, StallsASettingThatTheDeviceDoesNotHave) {
  open();
  device_->submit(control(SetupPacket::set_interface(1, 7)));
  device_->submit(control(SetupPacket::set_interface(9, 0)));
  device_->submit(control(SetupPacket::set_configuration(3)));
  EXPECT_EQ(done_.urbs.at(0)->status, Status::Stalled);
  EXPECT_EQ(done_.urbs.at(1)->status, Status::Stalled);
  EXPECT_EQ(done_.urbs.at(2)->status, Status::Stalled);
}

TEST_F(UsbfsDeviceTest, UrbsThatASettingKillsCompleteBeforeIt) {
  open();
  device_->submit(bulk_in(8, 1));
  device_->submit(control(SetupPacket::set_interface(1, 1), 2));
  run_until_completed(2);
  EXPECT_THAT(done_.order, ElementsAre(1, 2));
  EXPECT_EQ(done_.urbs[0]->status, Status::Killed);
}

TEST_F(UsbfsDeviceTest, SpecialRequestWaitsForEarlierRequests) {
  open();
  device_->submit(control({0x80, 6, 0x0100, 0, 18}, 1));
  device_->submit(control(SetupPacket::set_interface(1, 1), 2));
  settle();
  EXPECT_THAT(kernel_->calls(), Not(Contains("set_interface 1 1")));
  kernel_->complete_oldest();
  run_until_completed(2);
  EXPECT_THAT(done_.order, ElementsAre(1, 2));
}

TEST_F(UsbfsDeviceTest, RequestsAfterASpecialOneReachTheKernelAfterIt) {
  open();
  std::size_t pending_meanwhile = 99;
  kernel_->while_blocked = [&](const std::string&) {
    pending_meanwhile = kernel_->pending_count();
  };
  device_->submit(control(SetupPacket::set_interface(1, 1), 1));
  device_->submit(control({0x80, 6, 0x0100, 0, 18}, 2));
  run_until([this] { return kernel_->pending_count() == 1; });
  EXPECT_EQ(pending_meanwhile, 0U);
  kernel_->complete_oldest();
  run_until_completed(2);
  EXPECT_THAT(done_.order, ElementsAre(1, 2));
}

TEST_F(UsbfsDeviceTest, UrbsToAnEndpointOfTheNewSettingMayBeSubmittedAhead) {
  open();
  device_->submit(control(SetupPacket::set_interface(1, 1)));
  device_->submit(isochronous_in({{0, 192, 0, Status::Ok}}, 192));
  run_until([this] { return kernel_->pending_count() == 1; });
  EXPECT_EQ(kernel_->pending()->endpoint, 0x84);
}

TEST_F(UsbfsDeviceTest, OtherEndpointsGoOnAfterARequestThatIsAnsweredHere) {
  open();
  device_->submit(control({0x80, 6, 0x0100, 0, 18}, 1));
  device_->submit(control({0x00, 5, 7, 0, 0}, 2));
  device_->submit(bulk_in(8, 3));
  kernel_->complete_oldest();
  run_until([this] { return kernel_->pending_count() == 1; });
  kernel_->complete_oldest();
  run_until_completed(3);
  EXPECT_THAT(done_.order, ElementsAre(1, 2, 3));
}

TEST_F(UsbfsDeviceTest, CancelDuringASpecialRequestTakesEffectAfterIt) {
  kernel_->errors["set_interface 1 1"] = EPIPE;  // Kills no URB.
  open();
  auto urb = bulk_in(8, 1);
  const auto handle = urb.handle();
  device_->submit(std::move(urb));
  device_->submit(control(SetupPacket::set_interface(1, 1), 2));
  device_->cancel(handle);
  run_until_completed(2);
  EXPECT_THAT(done_.order, ElementsAre(2, 1));
  EXPECT_EQ(done_.urbs[1]->status, Status::Cancelled);
}

TEST_F(UsbfsDeviceTest, CancelsASpecialRequestThatHasNotStarted) {
  open();
  device_->submit(control({0x80, 6, 0x0100, 0, 18}, 1));
  auto urb = control(SetupPacket::set_interface(1, 1), 2);
  const auto handle = urb.handle();
  device_->submit(std::move(urb));
  device_->submit(bulk_in(8, 3));
  device_->cancel(handle);
  EXPECT_THAT(done_.order, ElementsAre(2));
  EXPECT_EQ(done_.urbs[0]->status, Status::Cancelled);
  run_until([this] { return kernel_->pending_count() == 2; });
}

TEST_F(UsbfsDeviceTest, SetConfigurationReleasesBeforeAndClaimsAfter) {
  open();
  device_->submit(control(SetupPacket::set_configuration(2)));
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Ok);
  EXPECT_EQ(device_->model().configuration_value(), 2);
  EXPECT_THAT(kernel_->calls(), ElementsAre("claim 0", "claim 1", "release 0", "release 1",
                                            "set_configuration 2", "claim 0"));
}

TEST_F(UsbfsDeviceTest, SetConfigurationOfTheSameValuePutsSettingsBack) {
  open();
  device_->submit(control(SetupPacket::set_interface(1, 1)));
  device_->submit(control(SetupPacket::set_configuration(1)));
  run_until_completed(2);
  EXPECT_EQ(device_->model().alternate_setting(1), 0);
  EXPECT_THAT(kernel_->calls(), Contains("set_configuration 1"));
}

TEST_F(UsbfsDeviceTest, AnotherConfigurationIsUndoneWhenTheDeviceIsGivenBack) {
  open();
  device_->submit(control(SetupPacket::set_configuration(2)));
  run_until_completed(1);
  device_.reset();
  pool_->wait_until_idle();
  const auto calls = kernel_->calls();
  EXPECT_THAT(std::vector(calls.end() - 4, calls.end()),
              ElementsAre("release 0", "set_configuration 1", "reset", "connect 0"));
}

TEST_F(UsbfsDeviceTest, PortResetClaimsEverythingAgain) {
  open();
  device_->submit(control(SetupPacket::set_interface(1, 1)));
  device_->submit(control(SetupPacket::port_reset()));
  run_until_completed(2);
  EXPECT_EQ(done_.urbs[1]->status, Status::Ok);
  EXPECT_EQ(device_->model().configuration_value(), 1);
  EXPECT_EQ(device_->model().alternate_setting(1), 0);
  const auto calls = kernel_->calls();
  EXPECT_THAT(std::vector(calls.end() - 3, calls.end()),
              ElementsAre("reset", "claim 0", "claim 1"));
}

TEST_F(UsbfsDeviceTest, UnplugDuringASpecialRequestCompletesEverything) {
  open();
  bool told = false;
  device_->on_gone([&] { told = true; });
  kernel_->while_blocked = [this](const std::string&) { kernel_->unplug(); };
  device_->submit(bulk_in(8, 1));
  device_->submit(control(SetupPacket::port_reset(), 2));
  device_->submit(bulk_in(8, 3));
  run_until([&] { return told; });
  EXPECT_EQ(done_.order.size(), 3U);
}

TEST_F(UsbfsDeviceTest, DestroyingItAsSoonAsItIsGoneGivesNothingBack) {
  // Two threads of the pool end the claim then, in any order: not always the same one comes first.
  for (int i = 0; i < 200; ++i) {
    kernel_ = std::make_shared<SimulatedUsbfs>();
    open();
    device_->on_gone([&] { device_.reset(); });
    kernel_->unplug();
    run_until([&] { return device_ == nullptr; });
    pool_->wait_until_idle();
    EXPECT_THAT(kernel_->calls(), Not(Contains("connect 0")));
  }
}

TEST_F(UsbfsDeviceTest, DestroyingItDuringASpecialRequestDoesNotWaitForIt) {
  open();
  std::counting_semaphore<> entered(0);
  std::counting_semaphore<> leave(0);
  kernel_->while_blocked = [&](const std::string& call) {
    if (call != "reset") return;
    entered.release();
    leave.acquire();
  };
  device_->submit(control(SetupPacket::port_reset(), 1));
  entered.acquire();
  device_.reset();
  EXPECT_THAT(done_.order, ElementsAre(1));
  leave.release(2);  // This reset, and the one with which the device is given back.
  pool_->wait_until_idle();
  EXPECT_EQ(kernel_->calls().back(), "connect 0");
}

TEST_F(UsbfsDeviceTest, AllocatesStreamsBeforeTheFirstStreamUrb) {
  open();
  auto urb = bulk_in(8);
  urb->endpoint = EndpointAddress(0x86);
  urb->stream_id = 3;
  device_->submit(std::move(urb));
  run_until([this] { return kernel_->pending_count() == 1; });
  EXPECT_EQ(kernel_->pending()->stream_id, 3U);
  EXPECT_THAT(kernel_->calls(), Contains("allocate_streams 134"));
}

TEST_F(UsbfsDeviceTest, RefusesStreamsOnAnEndpointWithoutThem) {
  open();
  auto urb = bulk_in(8);
  urb->stream_id = 3;
  device_->submit(std::move(urb));
  EXPECT_EQ(done_.urbs.at(0)->status, Status::InvalidArgument);
}

TEST_F(UsbfsDeviceTest, RefusesStreamUrbsWhenTheControllerHasNoStreams) {
  kernel_->errors["allocate_streams 134"] = EINVAL;
  open();
  auto urb = bulk_in(8);
  urb->endpoint = EndpointAddress(0x86);
  urb->stream_id = 3;
  device_->submit(std::move(urb));
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::InvalidArgument);
}

}  // namespace
}  // namespace periprox::physical
