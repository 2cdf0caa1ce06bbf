// Transfers and devices as captures reveal them.
#include <gtest/gtest.h>

#include <cstring>

#include "periprox/recorded/traced_device.hpp"
#include "periprox/recorded/traced_transfer.hpp"
#include "periprox/usb/configuration.hpp"

namespace periprox::recorded {
namespace {

using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Status;
using usb::TransferType;
using wire::CapturedPacket;
using wire::UsbRecord;

CapturedPacket packet(UsbRecord record, std::uint64_t time) {
  return {.time = time, .usb = record};
}

UsbRecord submission(std::uint64_t id, std::uint8_t endpoint) {
  return {.id = id,
          .type = TransferType::Bulk,
          .endpoint = EndpointAddress(endpoint),
          .status = Status::InProgress,
          .length = 64};
}

UsbRecord completion(std::uint64_t id, std::uint8_t endpoint, Bytes data = {}) {
  return {.id = id,
          .event = UsbRecord::Event::Complete,
          .type = TransferType::Bulk,
          .endpoint = EndpointAddress(endpoint),
          .length = static_cast<std::uint32_t>(data.size()),
          .data = data};
}

TEST(TransferPairing, BringsSubmissionAndCompletionTogether) {
  TransferPairing pairing;
  EXPECT_EQ(pairing.add(packet(submission(5, 0x81), 100)), nullptr);
  const auto* transfer = pairing.add(packet(completion(5, 0x81, bytes_of_text("abc")), 350));
  ASSERT_NE(transfer, nullptr);
  EXPECT_EQ(transfer->number, 1U);
  EXPECT_EQ(transfer->latency(), 250U);
  EXPECT_EQ(transfer->length, 64U);
  EXPECT_EQ(transfer->actual_length, 3U);
  EXPECT_EQ(transfer->data.size(), 3U);
}

TEST(TransferPairing, SameIdOnAnotherDeviceIsAnotherTransfer) {
  TransferPairing pairing;
  auto other = submission(5, 0x81);
  other.device = 9;
  pairing.add(packet(submission(5, 0x81), 1));
  pairing.add(packet(other, 2));
  EXPECT_EQ(pairing.add(packet(completion(5, 0x81), 3))->number, 1U);
  const auto rest = pairing.unfinished();
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].address.device, 9);
}

TEST(TransferPairing, CompletionWithoutASubmissionIsATransferToo) {
  TransferPairing pairing;
  const auto* transfer = pairing.add(packet(completion(5, 0x81), 3));
  ASSERT_NE(transfer, nullptr);
  EXPECT_FALSE(transfer->setup);
}

TEST(TransferPairing, ForgetsTheOldestOfTooMany) {
  TransferPairing pairing;
  for (std::uint64_t id = 1; id <= TransferPairing::kMostPending + 1; ++id)
    pairing.add(packet(submission(id, 0x81), id));
  const auto left = pairing.unfinished();
  EXPECT_EQ(left.size(), TransferPairing::kMostPending);
  EXPECT_EQ(left.front().number, 2U);
}

TracedTransfer answered(const SetupPacket& setup, Bytes data = {}) {
  TracedTransfer transfer{.endpoint = EndpointAddress(setup.is_in() ? 0x80 : 0), .setup = setup};
  transfer.status = Status::Ok;
  transfer.data.assign(data.begin(), data.end());
  return transfer;
}

usb::Configuration configuration() {
  usb::AlternateSetting setting;
  setting.descriptor.bInterfaceClass = 3;
  usb::EndpointDescriptor endpoint;
  endpoint.bEndpointAddress = 0x81;
  endpoint.bmAttributes = 3;
  endpoint.wMaxPacketSize = 8;
  endpoint.bInterval = 10;
  setting.endpoints.push_back({.descriptor = endpoint});
  usb::Configuration result;
  result.descriptor.bConfigurationValue = 1;
  result.interfaces.push_back({.number = 0, .alternate_settings = {setting}});
  return result;
}

TEST(TracedDevice, LearnsItsModelFromWhatTheHostRead) {
  TracedDevice device;
  usb::DeviceDescriptor descriptor;
  descriptor.idVendor = 0x1209;
  descriptor.bMaxPacketSize0 = 8;
  descriptor.iProduct = 2;
  const auto block = usb::build_configuration(configuration());
  // A host reads the head of the configuration first: that alone is nothing to learn.
  EXPECT_TRUE(device.learn(answered(SetupPacket::get_descriptor(1, 0, 18), bytes_of(descriptor))));
  EXPECT_FALSE(device.learn(answered(SetupPacket::get_descriptor(2, 0, 9), Bytes(block).first(9))));
  EXPECT_TRUE(device.learn(answered(SetupPacket::get_descriptor(2, 0, 255), block)));
  EXPECT_FALSE(device.learn(answered(SetupPacket::get_descriptor(2, 0, 255), block)));
  device.learn(answered(SetupPacket::get_descriptor(3, 2, 255), usb::build_string("Thing")));
  device.learn(answered(SetupPacket::set_configuration(1)));
  ASSERT_NE(device.model(), nullptr);
  EXPECT_EQ(device.model()->product, "Thing");
  EXPECT_EQ(device.model()->speed(), usb::Speed::Low);
  EXPECT_EQ(device.model()->configuration_value(), 1);
  EXPECT_EQ(device.class_of(EndpointAddress(0x81)).code, 3);
}

TEST(TracedDevice, ALateDescriptorKeepsTheActiveConfiguration) {
  TracedDevice device;
  device.learn(answered(SetupPacket::get_descriptor(1, 0, 18), bytes_of(usb::DeviceDescriptor{})));
  device.learn(
      answered(SetupPacket::get_descriptor(2, 0, 255), usb::build_configuration(configuration())));
  device.learn(answered(SetupPacket::set_configuration(1)));
  device.learn(answered(SetupPacket::get_descriptor(3, 1, 255), usb::build_string("Late")));
  EXPECT_EQ(device.model()->configuration_value(), 1);
}

TEST(TracedDevice, LearnsNothingFromAStall) {
  TracedDevice device;
  auto stalled = answered(SetupPacket::get_descriptor(1, 0, 18), bytes_of(usb::DeviceDescriptor{}));
  stalled.status = Status::Stalled;
  EXPECT_FALSE(device.learn(stalled));
  EXPECT_EQ(device.model(), nullptr);
}

}  // namespace
}  // namespace periprox::recorded
