// The kernel's limit on URB memory: waiting, not failing; but failing when waiting is no use.
#include <gmock/gmock.h>

#include "periprox/physical/device_fixture_testing.hpp"
#include "periprox/physical/usbfs_device.hpp"

namespace periprox::physical {
namespace {

using ::testing::ElementsAre;
using usb::Status;

TEST_F(UsbfsDeviceTest, UrbsAboveTheMemoryLimitWaitForOthers) {
  kernel_->memory_limit = 1024;
  open();
  device_->submit(bulk_in(1000, 1));
  device_->submit(bulk_in(1000, 2));
  device_->submit(bulk_in(1000, 3));
  EXPECT_EQ(kernel_->pending_count(), 1U);
  kernel_->complete_oldest();
  run_until_completed(1);
  kernel_->complete_oldest();
  run_until_completed(2);
  kernel_->complete_oldest();
  run_until_completed(3);
  EXPECT_THAT(done_.order, ElementsAre(1, 2, 3));
  EXPECT_EQ(done_.urbs[2]->status, Status::Ok);
}

TEST_F(UsbfsDeviceTest, GivesTheAdviceAboutMemoryOnce) {
  kernel_->memory_limit = 1024;
  std::vector<std::string> advice;
  UsbfsDeviceOptions options;
  options.advise = [&](std::string_view text) { advice.emplace_back(text); };
  open(std::move(options));
  device_->submit(bulk_in(1000));
  device_->submit(bulk_in(1000));
  auto other = bulk_out(std::string(1000, 'x'));
  device_->submit(std::move(other));
  ASSERT_EQ(advice.size(), 1U);
  EXPECT_NE(advice[0].find("usbfs_memory_mb"), std::string::npos);
}

TEST_F(UsbfsDeviceTest, WaitingForMemoryHoldsUpOnlyItsEndpoint) {
  kernel_->memory_limit = 1024;
  open();
  device_->submit(bulk_in(1000, 1));
  device_->submit(bulk_in(1000, 2));
  device_->submit(control({0x80, 6, 0x0100, 0, 8}, 3));
  EXPECT_EQ(kernel_->pending_count(), 2U);
}

TEST_F(UsbfsDeviceTest, AnUrbLargerThanTheLimitFailsAtOnce) {
  kernel_->memory_limit = 1024;
  UsbfsDeviceOptions options;
  options.usbfs_memory_limit = 1024;
  open(std::move(options));
  device_->submit(bulk_in(4096));
  EXPECT_EQ(done_.urbs.at(0)->status, Status::NoMemory);
}

TEST_F(UsbfsDeviceTest, AnUrbThatFindsNoMemoryFailsWhenPatienceEnds) {
  kernel_->memory_limit = 1024;
  UsbfsDeviceOptions options;
  options.memory_patience = std::chrono::milliseconds(30);
  open(std::move(options));
  device_->submit(bulk_in(4096));
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::NoMemory);
}

TEST_F(UsbfsDeviceTest, CancelsAnUrbThatWaitsForMemory) {
  kernel_->memory_limit = 1024;
  open();
  device_->submit(bulk_in(1000, 1));
  auto waiting = bulk_in(1000, 2);
  const auto handle = waiting.handle();
  device_->submit(std::move(waiting));
  device_->cancel(handle);
  EXPECT_THAT(done_.order, ElementsAre(2));
  EXPECT_EQ(done_.urbs[0]->status, Status::Cancelled);
}

}  // namespace
}  // namespace periprox::physical
