// Cancels that race with completions, 100000 times, with the kernel on a thread of its own.
#include <atomic>
#include <random>
#include <thread>

#include "periprox/physical/device_fixture_testing.hpp"
#include "periprox/physical/usbfs_device.hpp"

namespace periprox::physical {
namespace {

using usb::Status;

TEST_F(UsbfsDeviceTest, EveryUrbCompletesOnceWhenCancelsRaceWithCompletions) {
  constexpr std::size_t kUrbs = 100000;
  constexpr std::size_t kInFlight = 16;
  open();
  std::atomic<bool> stop = false;
  std::thread completer([&] {
    while (!stop) {
      if (!kernel_->complete_oldest()) std::this_thread::yield();
    }
  });
  usb::UrbPool urbs;
  std::mt19937 random(1);
  std::vector<int> completed(kUrbs);
  std::vector<usb::UrbHandle> pending(kUrbs);
  std::size_t submitted = 0;
  std::size_t returned = 0;
  std::size_t cancelled = 0;
  std::size_t in_time = 0;
  done_.then = [&](std::uint64_t cookie) {
    const auto& urb = done_.urbs.back();
    ++completed[cookie];
    ++returned;
    pending[cookie] = {};
    if (urb->status == Status::Cancelled) ++cancelled;
    if (urb->status == Status::Ok && urb->actual_length == 64) ++in_time;
    done_.urbs.clear();
    done_.order.clear();
  };
  while (returned < kUrbs) {
    while (submitted < kUrbs && submitted - returned < kInFlight) {
      auto urb = urbs.take();
      urb->endpoint = usb::EndpointAddress(0x81);
      urb->length = 64;
      urb.push_sink(done_, submitted);
      pending[submitted] = urb.handle();
      ++submitted;
      device_->submit(std::move(urb));
    }
    const std::size_t victim = submitted - 1 - random() % std::min(kInFlight, submitted);
    if (pending[victim]) device_->cancel(pending[victim]);
    (void)loop_.poll();
  }
  stop = true;
  completer.join();
  EXPECT_TRUE(
      std::all_of(completed.begin(), completed.end(), [](int times) { return times == 1; }));
  EXPECT_EQ(cancelled + in_time, kUrbs);
  EXPECT_GT(cancelled, 0U);
  EXPECT_GT(in_time, 0U);
}

}  // namespace
}  // namespace periprox::physical
