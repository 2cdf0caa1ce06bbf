// Submitting, completing, cancelling: what an URB looks like to the kernel and what comes back.
#include "periprox/physical/usbfs_device.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <string_view>

#include "periprox/physical/device_fixture_testing.hpp"

namespace periprox::physical {
namespace {

using ::testing::ElementsAre;
using usb::SetupPacket;
using usb::Status;

std::string_view text_of(const usb::Urb& urb) {
  return {reinterpret_cast<const char*>(urb->payload.data()), urb->actual_length};
}

TEST_F(UsbfsDeviceTest, SubmitsABulkInUrbAsOneKernelUrb) {
  open();
  device_->submit(bulk_in(512));
  ASSERT_EQ(kernel_->pending_count(), 1U);
  const KernelUrb& urb = kernel_->pending();
  EXPECT_EQ(urb->type, USBDEVFS_URB_TYPE_BULK);
  EXPECT_EQ(urb->endpoint, 0x81);
  EXPECT_EQ(urb->buffer_length, 512);
  EXPECT_EQ(urb->flags, 0U);
}

TEST_F(UsbfsDeviceTest, DeliversTheDataOfAnInUrb) {
  open();
  device_->submit(bulk_in(512));
  kernel_->complete_in(kernel_->pending(), "forty-two");
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Ok);
  EXPECT_EQ(text_of(done_.urbs[0]), "forty-two");
}

TEST_F(UsbfsDeviceTest, GivesTheKernelThePayloadItself) {
  open();
  auto urb = bulk_out("no copy");
  const void* data = urb->payload.data();
  device_->submit(std::move(urb));
  EXPECT_EQ(kernel_->pending()->buffer, data);
  EXPECT_GT(kernel_->mapped, 0U);
}

TEST_F(UsbfsDeviceTest, WorksWithoutMappedMemory) {
  kernel_->maps = false;
  open();
  device_->submit(bulk_out("copied by the kernel"));
  kernel_->complete_oldest();
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Ok);
  EXPECT_EQ(done_.urbs[0]->actual_length, 20U);
}

TEST_F(UsbfsDeviceTest, SendsZeroPacketOnlyWithOutData) {
  open();
  auto out = bulk_out("512");
  out->flags.zero_packet = true;
  out->flags.short_not_ok = true;
  device_->submit(std::move(out));
  auto in = bulk_in(8);
  in->flags.zero_packet = true;
  device_->submit(std::move(in));
  EXPECT_EQ(kernel_->pending(0)->flags, unsigned{USBDEVFS_URB_ZERO_PACKET});
  EXPECT_EQ(kernel_->pending(1)->flags, 0U);
}

TEST_F(UsbfsDeviceTest, SendsShortNotOkOnlyWithInData) {
  open();
  auto in = bulk_in(8);
  in->flags.short_not_ok = true;
  device_->submit(std::move(in));
  EXPECT_EQ(kernel_->pending(0)->flags, unsigned{USBDEVFS_URB_SHORT_NOT_OK});
}

TEST_F(UsbfsDeviceTest, PutsTheSetupPacketBeforeTheDataOfAMappedPayload) {
  open();
  auto urb = control({0x21, 9, 0x0200, 0, 5});
  urb->payload = device_->allocate(5);
  const std::byte* data = urb->payload.data();
  device_->submit(std::move(urb));
  const KernelUrb& kernel_urb = kernel_->pending();
  EXPECT_EQ(kernel_urb->type, USBDEVFS_URB_TYPE_CONTROL);
  EXPECT_EQ(kernel_urb->buffer, data - 8);
  EXPECT_EQ(kernel_urb->buffer_length, 13);
  EXPECT_EQ(static_cast<const SetupPacket*>(kernel_urb->buffer)->bRequest, 9);
}

TEST_F(UsbfsDeviceTest, CopiesControlDataOfForeignMemory) {
  open();
  PayloadPool foreign;
  auto urb = control({0x80, 6, 0x0100, 0, 18});
  urb->payload = foreign.allocate(18);
  device_->submit(std::move(urb));
  kernel_->complete_in(kernel_->pending(), "eighteen bytes are");
  run_until_completed(1);
  EXPECT_EQ(text_of(done_.urbs[0]), "eighteen bytes are");
  done_.urbs.clear();
}

TEST_F(UsbfsDeviceTest, SubmitsAControlRequestOf65535Bytes) {
  open();
  device_->submit(control({0xc0, 1, 0, 0, 65535}));
  EXPECT_EQ(kernel_->pending()->buffer_length, 65543);
  kernel_->complete_oldest();
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->actual_length, 65535U);
}

TEST_F(UsbfsDeviceTest, RefusesAControlLengthThatIsNotTheBuffers) {
  open();
  auto urb = control({0x80, 6, 0x0100, 0, 18});
  urb->length = 8;
  device_->submit(std::move(urb));
  EXPECT_EQ(kernel_->pending_count(), 0U);
  EXPECT_EQ(done_.urbs.at(0)->status, Status::BadLength);
}

TEST_F(UsbfsDeviceTest, RefusesAControlDirectionThatIsNotTheSetups) {
  open();
  auto urb = control({0x80, 6, 0x0100, 0, 18});
  urb->endpoint = usb::EndpointAddress(0);
  urb->payload = device_->allocate(18);
  device_->submit(std::move(urb));
  EXPECT_EQ(kernel_->pending_count(), 0U);
  EXPECT_EQ(done_.urbs.at(0)->status, Status::InvalidArgument);
}

TEST_F(UsbfsDeviceTest, RefusesOutDataShorterThanItsLength) {
  open();
  auto urb = bulk_out("short");
  urb->length = 4096;
  device_->submit(std::move(urb));
  EXPECT_EQ(done_.urbs.at(0)->status, Status::InvalidArgument);
}

TEST_F(UsbfsDeviceTest, KillsAnUrbToAnEndpointThatIsNotThere) {
  open();
  auto urb = bulk_in(8);
  urb->endpoint = usb::EndpointAddress(0x8f);
  device_->submit(std::move(urb));
  EXPECT_EQ(done_.urbs.at(0)->status, Status::Killed);
}

TEST_F(UsbfsDeviceTest, StallsARequestWhoseRecipientTheKernelDoesNotKnow) {
  open();
  kernel_->refuse = [](const usbdevfs_urb&) { return ENOENT; };
  device_->submit(control({0x81, 6, 0x2200, 9, 64}));
  EXPECT_EQ(done_.urbs.at(0)->status, Status::Stalled);
}

TEST_F(UsbfsDeviceTest, DeliversARefusalBehindWhatWasSubmittedBefore) {
  open();
  device_->submit(bulk_in(8, 1));
  kernel_->refuse = [](const usbdevfs_urb&) { return EINVAL; };
  device_->submit(bulk_in(8, 2));
  EXPECT_TRUE(done_.order.empty());
  kernel_->complete_oldest();
  run_until_completed(2);
  EXPECT_THAT(done_.order, ElementsAre(1, 2));
  EXPECT_EQ(done_.urbs[1]->status, Status::InvalidArgument);
}

class StatusMapping : public UsbfsDeviceTest,
                      public ::testing::WithParamInterface<std::pair<int, Status>> {};

TEST_P(StatusMapping, KeepsTheKernelsStatus) {
  open();
  device_->submit(bulk_in(8));
  kernel_->complete(kernel_->pending(), -GetParam().first, 0);
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, GetParam().second);
}

INSTANTIATE_TEST_SUITE_P(
    Usbfs, StatusMapping,
    ::testing::Values(std::pair{EPIPE, Status::Stalled}, std::pair{EOVERFLOW, Status::Babble},
                      std::pair{EREMOTEIO, Status::ShortTransfer},
                      std::pair{EPROTO, Status::ProtocolError}, std::pair{EILSEQ, Status::CrcError},
                      std::pair{ETIME, Status::NoResponse}, std::pair{ENOENT, Status::Killed},
                      std::pair{ESHUTDOWN, Status::Shutdown},
                      std::pair{ECOMM, Status::BufferOverrun},
                      std::pair{ENOSR, Status::BufferUnderrun}));

TEST_F(UsbfsDeviceTest, CancelsAPendingUrb) {
  open();
  auto urb = bulk_in(8);
  const auto handle = urb.handle();
  device_->submit(std::move(urb));
  device_->cancel(handle);
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Cancelled);
}

TEST_F(UsbfsDeviceTest, DeliversTheRealOutcomeWhenTheCancelComesTooLate) {
  open();
  auto urb = bulk_in(8);
  const auto handle = urb.handle();
  device_->submit(std::move(urb));
  kernel_->complete_in(kernel_->pending(), "just made");
  device_->cancel(handle);
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Ok);
  EXPECT_EQ(done_.urbs[0]->actual_length, 8U);
}

TEST_F(UsbfsDeviceTest, CancelsOnlyOnce) {
  open();
  auto urb = bulk_in(8);
  const auto handle = urb.handle();
  device_->submit(std::move(urb));
  device_->cancel(handle);
  device_->cancel(handle);
  run_until_completed(1);
  settle();
  EXPECT_EQ(done_.order.size(), 1U);
}

TEST_F(UsbfsDeviceTest, SurvivesBeingDestroyedByACompletion) {
  open();
  done_.then = [this](std::uint64_t) { device_.reset(); };
  device_->submit(bulk_in(8, 1));
  device_->submit(bulk_in(8, 2));
  kernel_->complete_oldest();
  run_until_completed(2);
  EXPECT_EQ(done_.urbs[0]->status, Status::Ok);
  EXPECT_EQ(done_.urbs[1]->status, Status::Cancelled);
}

TEST_F(UsbfsDeviceTest, CompletesEverythingAndGivesTheDeviceBackWhenDestroyed) {
  open();
  device_->submit(bulk_in(8));
  device_->submit(control({0x80, 6, 0x0100, 0, 18}));
  device_.reset();
  EXPECT_EQ(done_.order.size(), 2U);
  EXPECT_EQ(done_.urbs[0]->status, Status::Cancelled);
  pool_->wait_until_idle();
  EXPECT_EQ(kernel_->pending_count(), 0U);
  EXPECT_THAT(kernel_->calls(),
              ElementsAre("claim 0", "claim 1", "release 0", "release 1", "reset", "connect 0"));
}

TEST_F(UsbfsDeviceTest, TellsOnceThatTheDeviceIsGoneAfterEverythingCompleted) {
  open();
  std::size_t completed_when_told = 0;
  int told = 0;
  device_->on_gone([&] {
    ++told;
    completed_when_told = done_.order.size();
  });
  device_->submit(bulk_in(8));
  device_->submit(control({0x80, 6, 0x0100, 0, 18}));
  kernel_->unplug();
  run_until([&] { return told > 0; });
  settle();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(completed_when_told, 2U);
  EXPECT_EQ(done_.urbs[0]->status, Status::DeviceGone);
}

TEST_F(UsbfsDeviceTest, NoticesAnUnplugWhileIdle) {
  open();
  bool told = false;
  device_->on_gone([&] { told = true; });
  kernel_->unplug();
  run_until([&] { return told; });
  device_->submit(bulk_in(8));
  EXPECT_EQ(done_.urbs.at(0)->status, Status::DeviceGone);
}

TEST_F(UsbfsDeviceTest, TellsLatecomersThatItIsGone) {
  open();
  bool first = false;
  bool second = false;
  device_->on_gone([&] { first = true; });
  kernel_->unplug();
  run_until([&] { return first; });
  device_->on_gone([&] { second = true; });
  run_until([&] { return second; });
}

}  // namespace
}  // namespace periprox::physical
