#include <gtest/gtest.h>

#include "periprox/usb/configuration.hpp"

namespace periprox::usb {
namespace {

Endpoint endpoint(TransferType type, std::uint16_t packet_size, std::uint8_t interval = 1) {
  Endpoint result;
  result.descriptor.bEndpointAddress = 0x81;
  result.descriptor.bmAttributes = static_cast<std::uint8_t>(type);
  result.descriptor.wMaxPacketSize = packet_size;
  result.descriptor.bInterval = interval;
  return result;
}

Endpoint super_endpoint(TransferType type, std::uint8_t burst, std::uint8_t attributes) {
  auto result = endpoint(type, 1024);
  result.companion = SsEndpointCompanionDescriptor{.bMaxBurst = burst, .bmAttributes = attributes};
  return result;
}

TEST(EndpointInterval, IsZeroForControlAndBulk) {
  EXPECT_EQ(endpoint(TransferType::Bulk, 512, 5).interval(Speed::High), 0U);
  EXPECT_EQ(endpoint(TransferType::Control, 64, 5).interval(Speed::High), 0U);
}

TEST(EndpointInterval, CountsFramesOfFullSpeedInterrupts) {
  EXPECT_EQ(endpoint(TransferType::Interrupt, 8, 10).interval(Speed::Full), 10U);
  EXPECT_EQ(endpoint(TransferType::Interrupt, 8, 255).interval(Speed::Low), 255U);
}

TEST(EndpointInterval, IsAPowerOfTwoElsewhere) {
  EXPECT_EQ(endpoint(TransferType::Interrupt, 8, 4).interval(Speed::High), 8U);
  EXPECT_EQ(endpoint(TransferType::Isochronous, 8, 4).interval(Speed::Full), 8U);
  EXPECT_EQ(endpoint(TransferType::Isochronous, 8, 16).interval(Speed::Super), 32768U);
}

TEST(EndpointInterval, StaysInBoundsForAbsurdValues) {
  EXPECT_EQ(endpoint(TransferType::Interrupt, 8, 0).interval(Speed::Full), 1U);
  EXPECT_EQ(endpoint(TransferType::Interrupt, 8, 0).interval(Speed::High), 1U);
  EXPECT_EQ(endpoint(TransferType::Interrupt, 8, 255).interval(Speed::High), 32768U);
}

TEST(EndpointBytesPerInterval, IsOnePacketBelowHighSpeed) {
  EXPECT_EQ(endpoint(TransferType::Isochronous, 1023).bytes_per_interval(Speed::Full), 1023U);
}

TEST(EndpointBytesPerInterval, CountsAdditionalPacketsOfHighBandwidthEndpoints) {
  EXPECT_EQ(endpoint(TransferType::Isochronous, 0x1400).bytes_per_interval(Speed::High), 3072U);
  EXPECT_EQ(endpoint(TransferType::Interrupt, 0x0c00).bytes_per_interval(Speed::High), 2048U);
  EXPECT_EQ(endpoint(TransferType::Bulk, 0x0a00).bytes_per_interval(Speed::High), 512U);
}

TEST(EndpointBytesPerInterval, TakesAReservedMultipleForThree) {
  EXPECT_EQ(endpoint(TransferType::Isochronous, 0x1c00).bytes_per_interval(Speed::High), 3072U);
}

TEST(EndpointBytesPerInterval, CountsBurstsAndMult) {
  EXPECT_EQ(super_endpoint(TransferType::Bulk, 15, 0).bytes_per_interval(Speed::Super), 16384U);
  EXPECT_EQ(super_endpoint(TransferType::Interrupt, 2, 0).bytes_per_interval(Speed::Super), 3072U);
  EXPECT_EQ(super_endpoint(TransferType::Isochronous, 15, 2).bytes_per_interval(Speed::Super),
            49152U);
}

TEST(EndpointBytesPerInterval, StaysInBoundsForAbsurdCompanions) {
  EXPECT_EQ(super_endpoint(TransferType::Isochronous, 255, 3).bytes_per_interval(Speed::Super),
            49152U);
}

TEST(EndpointBytesPerInterval, IsOnePacketWithoutACompanion) {
  EXPECT_EQ(endpoint(TransferType::Bulk, 1024).bytes_per_interval(Speed::Super), 1024U);
}

TEST(EndpointBytesPerInterval, FollowsTheSuperSpeedPlusCompanion) {
  auto fast = super_endpoint(TransferType::Isochronous, 15, 0x80);
  const SspIsoEndpointCompanionDescriptor companion{.dwBytesPerInterval = 98304};
  const auto bytes = bytes_of(companion);
  fast.extra.push_back({bytes.begin(), bytes.end()});
  EXPECT_EQ(fast.bytes_per_interval(Speed::SuperPlus), 98304U);
}

TEST(EndpointBytesPerInterval, DoesNotBelieveAnAbsurdSuperSpeedPlusCompanion) {
  auto fast = super_endpoint(TransferType::Isochronous, 15, 0x80);
  const SspIsoEndpointCompanionDescriptor companion{.dwBytesPerInterval = 0xffffffff};
  const auto bytes = bytes_of(companion);
  fast.extra.push_back({bytes.begin(), bytes.end()});
  EXPECT_EQ(fast.bytes_per_interval(Speed::SuperPlus), 192U * 1024);
}

}  // namespace
}  // namespace periprox::usb
