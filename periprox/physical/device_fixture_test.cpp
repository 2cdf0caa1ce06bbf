#include <algorithm>

#include "periprox/physical/device_fixture_testing.hpp"

namespace periprox::physical {
namespace {

usb::Endpoint endpoint(std::uint8_t address, usb::TransferType type, std::uint16_t packet_size) {
  usb::Endpoint made;
  made.descriptor.bEndpointAddress = address;
  made.descriptor.bmAttributes = static_cast<std::uint8_t>(type);
  made.descriptor.wMaxPacketSize = packet_size;
  made.descriptor.bInterval = 4;
  return made;
}

usb::Endpoint stream_endpoint(std::uint8_t address) {
  auto made = endpoint(address, usb::TransferType::Bulk, 1024);
  made.companion.emplace();
  made.companion->bmAttributes = 4;
  return made;
}

usb::AlternateSetting setting(std::uint8_t number, std::uint8_t alternate,
                              std::vector<usb::Endpoint> endpoints) {
  usb::AlternateSetting made;
  made.descriptor.bInterfaceNumber = number;
  made.descriptor.bAlternateSetting = alternate;
  made.descriptor.bNumEndpoints = static_cast<std::uint8_t>(endpoints.size());
  made.endpoints = std::move(endpoints);
  return made;
}

}  // namespace

usb::DeviceModel example_model() {
  using usb::TransferType;
  usb::Configuration first;
  first.descriptor.bConfigurationValue = 1;
  first.interfaces = {
      {0,
       {setting(0, 0,
                {endpoint(0x81, TransferType::Bulk, 512), endpoint(0x02, TransferType::Bulk, 512),
                 endpoint(0x83, TransferType::Interrupt, 8), stream_endpoint(0x86)})}},
      {1,
       {setting(1, 0, {}), setting(1, 1,
                                   {endpoint(0x84, TransferType::Isochronous, 192),
                                    endpoint(0x05, TransferType::Isochronous, 192)})}}};
  usb::Configuration second;
  second.descriptor.bConfigurationValue = 2;
  second.interfaces = {{0, {setting(0, 0, {endpoint(0x81, TransferType::Bulk, 512)})}}};
  usb::DeviceDescriptor descriptor;
  descriptor.bNumConfigurations = 2;
  usb::DeviceModel model(usb::Speed::High, descriptor, {first, second});
  model.set_configuration(1);
  return model;
}

void UsbfsDeviceTest::open(UsbfsDeviceOptions options) {
  auto claim = Claim::take(kernel_, {"1-1", 1, {0, 1}, {0}}, nullptr, nullptr);
  ASSERT_TRUE(claim);
  device_ = std::make_unique<UsbfsDevice>(loop_, *pool_, kernel_, std::move(*claim),
                                          example_model(), std::move(options));
}

void UsbfsDeviceTest::TearDown() {
  kernel_->while_blocked = nullptr;  // Refers to the test that just ended.
  device_.reset();
  pool_.reset();
  EXPECT_EQ(kernel_->calls_that_would_block(), 0);
}

usb::Urb UsbfsDeviceTest::bulk_in(std::uint32_t length, std::uint64_t cookie) {
  auto urb = usb::Urb::create();
  urb->endpoint = usb::EndpointAddress(0x81);
  urb->type = usb::TransferType::Bulk;
  urb->length = length;
  urb.push_sink(done_, cookie);
  return urb;
}

usb::Urb UsbfsDeviceTest::bulk_out(std::string_view data, std::uint64_t cookie) {
  auto urb = bulk_in(static_cast<std::uint32_t>(data.size()), cookie);
  urb->endpoint = usb::EndpointAddress(0x02);
  urb->payload = device_->allocate(urb->length);
  std::ranges::copy(bytes_of_text(data), urb->payload.data());
  return urb;
}

usb::Urb UsbfsDeviceTest::control(const usb::SetupPacket& setup, std::uint64_t cookie) {
  auto urb = usb::Urb::create();
  urb->endpoint = usb::EndpointAddress(0, setup.is_in() ? usb::Direction::In : usb::Direction::Out);
  urb->setup = setup;
  urb->length = setup.wLength;
  urb.push_sink(done_, cookie);
  return urb;
}

usb::Urb UsbfsDeviceTest::isochronous_in(std::vector<usb::IsoPacket> packets,
                                         std::uint32_t length) {
  auto urb = usb::Urb::create();
  urb->endpoint = usb::EndpointAddress(0x84);
  urb->type = usb::TransferType::Isochronous;
  urb->length = length;
  urb->iso_packets = std::move(packets);
  urb.push_sink(done_, 0);
  return urb;
}

void UsbfsDeviceTest::run_until(const std::function<bool()>& done) { loop_.run_until(done); }

void UsbfsDeviceTest::run_until_completed(std::size_t count) {
  run_until([this, count] { return done_.order.size() >= count; });
}

void UsbfsDeviceTest::settle() { (void)loop_.poll(); }

}  // namespace periprox::physical
