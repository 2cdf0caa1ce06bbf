// Isochronous transfers: split into what usbfs takes, merged into what the submitter expects.
#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "periprox/physical/device_fixture_testing.hpp"
#include "periprox/physical/usbfs_device.hpp"

namespace periprox::physical {
namespace {

using usb::IsoPacket;
using usb::SetupPacket;
using usb::Status;

class UsbfsDeviceIsoTest : public UsbfsDeviceTest {
 protected:
  void open_streaming(UsbfsDeviceOptions options = {}) {
    open(std::move(options));
    device_->submit(control(SetupPacket::set_interface(1, 1)));
    run_until_completed(1);
    done_.urbs.clear();
    done_.order.clear();
  }

  /// Packets of `length` bytes, each `stride` after the one before.
  static std::vector<IsoPacket> packets(std::size_t count, std::uint32_t length,
                                        std::uint32_t stride) {
    std::vector<IsoPacket> made;
    for (std::size_t i = 0; i < count; ++i) {
      made.push_back({static_cast<std::uint32_t>(i) * stride, length, 0, Status::Ok});
    }
    return made;
  }

  /// Ends the oldest kernel URB with `length` bytes of `fill` in each packet.
  void answer(std::uint32_t length, char fill, unsigned int status = 0) {
    KernelUrb& urb = kernel_->pending();
    auto* place = static_cast<char*>(urb->buffer);
    for (auto& packet : urb.packets(static_cast<std::size_t>(urb->number_of_packets))) {
      std::memset(place, fill, length);
      place += packet.length;
      packet.actual_length = length;
      packet.status = status;
    }
    kernel_->complete(urb, 0, 0);
  }
};

TEST_F(UsbfsDeviceIsoTest, SplitsAfter128Packets) {
  open_streaming();
  device_->submit(isochronous_in(packets(300, 8, 8), 2400));
  ASSERT_EQ(kernel_->pending_count(), 3U);
  EXPECT_EQ(kernel_->pending(0)->number_of_packets, 128);
  EXPECT_EQ(kernel_->pending(2)->number_of_packets, 44);
  EXPECT_EQ(kernel_->pending(0)->flags, unsigned{USBDEVFS_URB_ISO_ASAP});
}

TEST_F(UsbfsDeviceIsoTest, MergesTheResultsOfAllPieces) {
  open_streaming();
  device_->submit(isochronous_in(packets(300, 8, 8), 2400));
  answer(8, 'a');
  answer(4, 'b');
  answer(0, 'c');
  run_until_completed(1);
  const auto& urb = done_.urbs[0];
  EXPECT_EQ(urb->status, Status::Ok);
  EXPECT_EQ(urb->actual_length, 128U * 8 + 128U * 4);
  EXPECT_EQ(urb->iso_packets[127].actual_length, 8U);
  EXPECT_EQ(urb->iso_packets[128].actual_length, 4U);
  EXPECT_EQ(urb->iso_packets[299].actual_length, 0U);
  EXPECT_EQ(urb->payload.data()[1024], std::byte{'b'});
}

TEST_F(UsbfsDeviceIsoTest, DeliversDataAtSparseOffsets) {
  open_streaming();
  device_->submit(isochronous_in(packets(3, 8, 100), 300));
  EXPECT_EQ(kernel_->pending()->buffer_length, 24);
  answer(8, 'x');
  run_until_completed(1);
  const auto* data = done_.urbs[0]->payload.data();
  EXPECT_EQ(data[0], std::byte{'x'});
  EXPECT_EQ(data[100], std::byte{'x'});
  EXPECT_EQ(data[207], std::byte{'x'});
}

TEST_F(UsbfsDeviceIsoTest, PacksOutDataFromSparseOffsets) {
  open_streaming();
  auto urb = isochronous_in(packets(2, 2, 10), 20);
  urb->endpoint = usb::EndpointAddress(0x05);
  urb->payload = device_->allocate(20);
  std::memcpy(urb->payload.data(), "ab--------cd--------", 20);
  device_->submit(std::move(urb));
  EXPECT_EQ(std::memcmp(kernel_->pending()->buffer, "abcd", 4), 0);
}

TEST_F(UsbfsDeviceIsoTest, CountsFailedPackets) {
  open_streaming();
  device_->submit(isochronous_in(packets(5, 8, 8), 40));
  answer(0, 'x', static_cast<unsigned int>(-EXDEV));
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->error_count, 5U);
  EXPECT_EQ(done_.urbs[0]->iso_packets[4].status, Status::IsoPartial);
}

TEST_F(UsbfsDeviceIsoTest, RefusesPacketsOutsideOfTheBuffer) {
  open_streaming();
  device_->submit(isochronous_in(packets(2, 8, 8), 15));
  device_->submit(isochronous_in({{0xffffffff, 8, 0, Status::Ok}}, 15));
  device_->submit(isochronous_in({}, 15));
  device_->submit(isochronous_in(packets(1025, 1, 1), 2000));
  EXPECT_EQ(kernel_->pending_count(), 0U);
  EXPECT_THAT(done_.urbs, testing::Each(testing::Truly([](const usb::Urb& urb) {
                return urb->status == Status::InvalidArgument;
              })));
  EXPECT_EQ(done_.urbs.size(), 4U);
}

TEST_F(UsbfsDeviceIsoTest, CancelKillsEveryPiece) {
  open_streaming();
  auto urb = isochronous_in(packets(300, 8, 8), 2400);
  const auto handle = urb.handle();
  device_->submit(std::move(urb));
  device_->cancel(handle);
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Cancelled);
  EXPECT_EQ(kernel_->pending_count(), 0U);
}

TEST_F(UsbfsDeviceIsoTest, PiecesAboveTheMemoryLimitWaitForTheEarlierOnes) {
  kernel_->memory_limit = 1500;
  open_streaming();
  device_->submit(isochronous_in(packets(300, 8, 8), 2400));
  ASSERT_EQ(kernel_->pending_count(), 1U);
  answer(8, 'a');
  run_until([this] { return kernel_->pending_count() == 2; });
  answer(8, 'b');
  answer(8, 'c');
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->actual_length, 2400U);
}

TEST_F(UsbfsDeviceIsoTest, CancelsATransferOfWhichAPieceWaits) {
  kernel_->memory_limit = 1500;
  open_streaming();
  auto urb = isochronous_in(packets(300, 8, 8), 2400);
  const auto handle = urb.handle();
  device_->submit(std::move(urb));
  device_->cancel(handle);
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::Cancelled);
  EXPECT_EQ(kernel_->pending_count(), 0U);
}

TEST_F(UsbfsDeviceIsoTest, APieceThatTheKernelRefusesFailsTheRest) {
  open_streaming();
  int submits = 0;
  kernel_->refuse = [&](const usbdevfs_urb&) { return ++submits == 2 ? ENOSPC : 0; };
  device_->submit(isochronous_in(packets(300, 8, 8), 2400));
  answer(8, 'a');
  run_until_completed(1);
  EXPECT_EQ(done_.urbs[0]->status, Status::NoBandwidth);
  EXPECT_EQ(done_.urbs[0]->actual_length, 1024U);
  EXPECT_EQ(done_.urbs[0]->iso_packets[128].status, Status::NoBandwidth);
}

}  // namespace
}  // namespace periprox::physical
