#include "periprox/usb/device_model.hpp"

#include <gmock/gmock.h>

namespace periprox::usb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Endpoint endpoint(std::uint8_t address, TransferType type, std::uint16_t packet_size,
                  std::uint8_t interval = 0) {
  Endpoint result;
  result.descriptor.bEndpointAddress = address;
  result.descriptor.bmAttributes = static_cast<std::uint8_t>(type);
  result.descriptor.wMaxPacketSize = packet_size;
  result.descriptor.bInterval = interval;
  return result;
}

AlternateSetting setting(std::uint8_t interface, std::uint8_t alternate, std::uint8_t class_code,
                         std::vector<Endpoint> endpoints) {
  return {.descriptor = {.bInterfaceNumber = interface,
                         .bAlternateSetting = alternate,
                         .bNumEndpoints = static_cast<std::uint8_t>(endpoints.size()),
                         .bInterfaceClass = class_code},
          .extra = {},
          .endpoints = std::move(endpoints)};
}

/// Configuration 1: a bulk interface and a camera-like one with two settings. Configuration 2:
/// bulk.
DeviceModel two_configurations() {
  Configuration first;
  first.descriptor.bConfigurationValue = 1;
  first.interfaces.push_back(
      {.number = 0,
       .alternate_settings = {setting(
           0, 0, 8,
           {endpoint(0x81, TransferType::Bulk, 512), endpoint(0x02, TransferType::Bulk, 512)})}});
  first.interfaces.push_back(
      {.number = 3,
       .alternate_settings = {
           setting(3, 0, 14, {}),
           setting(3, 2, 14, {endpoint(0x83, TransferType::Isochronous, 0x1400, 1)})}});
  Configuration second;
  second.descriptor.bConfigurationValue = 2;
  second.interfaces.push_back({.number = 0,
                               .alternate_settings = {setting(
                                   0, 0, 255, {endpoint(0x81, TransferType::Interrupt, 8, 4)})}});
  return {Speed::High, DeviceDescriptor{}, {first, second}};
}

TEST(DeviceModel, IsUnconfiguredAtFirst) {
  const auto model = two_configurations();
  EXPECT_EQ(model.configuration_value(), 0);
  EXPECT_EQ(model.active_configuration(), nullptr);
  EXPECT_THAT(model.interface_classes(), IsEmpty());
  EXPECT_EQ(model.endpoint(EndpointAddress(0x81)), nullptr);
}

TEST(DeviceModel, AlwaysHasEndpointZeroInBothDirections) {
  const auto model = two_configurations();
  ASSERT_NE(model.endpoint(EndpointAddress(0x00)), nullptr);
  ASSERT_NE(model.endpoint(EndpointAddress(0x80)), nullptr);
  EXPECT_EQ(model.endpoint(EndpointAddress(0x80))->type, TransferType::Control);
  EXPECT_EQ(model.endpoint(EndpointAddress(0x80))->max_packet_size, 64);
  EXPECT_EQ(model.type_in_any_setting(EndpointAddress(0x00)), TransferType::Control);
}

TEST(DeviceModel, HasEndpointZeroOf512BytesAtSuperSpeed) {
  const DeviceModel model(Speed::Super, DeviceDescriptor{.bMaxPacketSize0 = 9}, {});
  EXPECT_EQ(model.endpoint(EndpointAddress(0))->max_packet_size, 512);
}

TEST(DeviceModel, HasEndpointZeroOfTheSmallestSizeWhenTheDeviceSaysNone) {
  const DeviceModel model(Speed::Full, DeviceDescriptor{.bMaxPacketSize0 = 0}, {});
  EXPECT_EQ(model.endpoint(EndpointAddress(0))->max_packet_size, 8);
}

TEST(DeviceModel, ShowsTheEndpointsOfTheActiveConfiguration) {
  auto model = two_configurations();
  ASSERT_TRUE(model.set_configuration(1));
  EXPECT_EQ(model.configuration_value(), 1);
  ASSERT_NE(model.endpoint(EndpointAddress(0x81)), nullptr);
  EXPECT_EQ(model.endpoint(EndpointAddress(0x81))->type, TransferType::Bulk);
  EXPECT_EQ(model.endpoint(EndpointAddress(0x81))->max_packet_size, 512);
  EXPECT_EQ(model.endpoint(EndpointAddress(0x01)), nullptr);
  ASSERT_TRUE(model.set_configuration(2));
  EXPECT_EQ(model.endpoint(EndpointAddress(0x81))->type, TransferType::Interrupt);
  EXPECT_EQ(model.endpoint(EndpointAddress(0x81))->interval, 8U);
  EXPECT_EQ(model.endpoint(EndpointAddress(0x02)), nullptr);
}

TEST(DeviceModel, ListsTheClassesOfItsInterfaces) {
  auto model = two_configurations();
  ASSERT_TRUE(model.set_configuration(1));
  EXPECT_THAT(model.interface_classes(), ElementsAre(ClassCode{8, 0, 0}, ClassCode{14, 0, 0}));
}

TEST(DeviceModel, RefusesAConfigurationThatIsNotThere) {
  auto model = two_configurations();
  ASSERT_TRUE(model.set_configuration(1));
  EXPECT_FALSE(model.set_configuration(3));
  EXPECT_EQ(model.configuration_value(), 1);
  EXPECT_NE(model.endpoint(EndpointAddress(0x02)), nullptr);
}

TEST(DeviceModel, LosesItsEndpointsWhenUnconfigured) {
  auto model = two_configurations();
  ASSERT_TRUE(model.set_configuration(1));
  ASSERT_TRUE(model.set_configuration(0));
  EXPECT_EQ(model.endpoint(EndpointAddress(0x81)), nullptr);
  EXPECT_NE(model.endpoint(EndpointAddress(0x80)), nullptr);
}

TEST(DeviceModel, TakesConfigurationZeroForNoneEvenIfADeviceDescribesIt) {
  DeviceModel model(Speed::High, DeviceDescriptor{}, {Configuration{}});
  EXPECT_TRUE(model.set_configuration(0));
  EXPECT_EQ(model.active_configuration(), nullptr);
}

TEST(DeviceModel, ShowsTheEndpointsOfTheActiveSetting) {
  auto model = two_configurations();
  ASSERT_TRUE(model.set_configuration(1));
  EXPECT_EQ(model.alternate_setting(3), 0);
  EXPECT_EQ(model.endpoint(EndpointAddress(0x83)), nullptr);
  ASSERT_TRUE(model.set_interface(3, 2));
  EXPECT_EQ(model.alternate_setting(3), 2);
  ASSERT_NE(model.endpoint(EndpointAddress(0x83)), nullptr);
  const auto& camera = *model.endpoint(EndpointAddress(0x83));
  EXPECT_EQ(camera.type, TransferType::Isochronous);
  EXPECT_EQ(camera.max_packet_size, 1024);
  EXPECT_EQ(camera.bytes_per_interval, 3072U);
  EXPECT_EQ(camera.interval, 1U);
  EXPECT_EQ(camera.interface_number, 3);
  ASSERT_TRUE(model.set_interface(3, 0));
  EXPECT_EQ(model.endpoint(EndpointAddress(0x83)), nullptr);
}

TEST(DeviceModel, RefusesASettingThatIsNotThere) {
  auto model = two_configurations();
  EXPECT_FALSE(model.set_interface(0, 0));  // not configured yet
  ASSERT_TRUE(model.set_configuration(1));
  ASSERT_TRUE(model.set_interface(3, 2));
  EXPECT_FALSE(model.set_interface(3, 1));
  EXPECT_FALSE(model.set_interface(1, 0));
  EXPECT_EQ(model.alternate_setting(3), 2);
  EXPECT_EQ(model.alternate_setting(1), 0);
}

TEST(DeviceModel, StartsAConfigurationInSettingZero) {
  auto model = two_configurations();
  ASSERT_TRUE(model.set_configuration(1));
  ASSERT_TRUE(model.set_interface(3, 2));
  ASSERT_TRUE(model.set_configuration(1));
  EXPECT_EQ(model.alternate_setting(3), 0);
  EXPECT_EQ(model.endpoint(EndpointAddress(0x83)), nullptr);
}

TEST(DeviceModel, KeepsItsConfigurationWhenSettingsAreReset) {
  auto model = two_configurations();
  ASSERT_TRUE(model.set_configuration(1));
  ASSERT_TRUE(model.set_interface(3, 2));
  model.reset_alternate_settings();
  EXPECT_EQ(model.configuration_value(), 1);
  EXPECT_EQ(model.alternate_setting(3), 0);
  EXPECT_NE(model.endpoint(EndpointAddress(0x81)), nullptr);
}

TEST(DeviceModel, KnowsTypesOfSettingsThatAreNotActive) {
  auto model = two_configurations();
  EXPECT_FALSE(model.type_in_any_setting(EndpointAddress(0x83)).has_value());
  ASSERT_TRUE(model.set_configuration(1));
  EXPECT_EQ(model.type_in_any_setting(EndpointAddress(0x83)), TransferType::Isochronous);
  EXPECT_FALSE(model.type_in_any_setting(EndpointAddress(0x84)).has_value());
}

TEST(DeviceModel, StartsInTheFirstSettingWhenThereIsNoSettingZero) {
  Configuration odd;
  odd.descriptor.bConfigurationValue = 1;
  odd.interfaces.push_back(
      {.number = 0,
       .alternate_settings = {setting(0, 5, 8, {endpoint(0x81, TransferType::Bulk, 512)})}});
  DeviceModel model(Speed::High, DeviceDescriptor{}, {odd});
  ASSERT_TRUE(model.set_configuration(1));
  EXPECT_EQ(model.alternate_setting(0), 5);
  EXPECT_NE(model.endpoint(EndpointAddress(0x81)), nullptr);
}

TEST(DeviceModel, GivesAnAddressThatIsUsedTwiceToTheFirst) {
  Configuration odd;
  odd.descriptor.bConfigurationValue = 1;
  odd.interfaces.push_back(
      {.number = 0,
       .alternate_settings = {setting(0, 0, 8, {endpoint(0x81, TransferType::Bulk, 512)})}});
  odd.interfaces.push_back(
      {.number = 1,
       .alternate_settings = {setting(1, 0, 3,
                                      {endpoint(0x81, TransferType::Interrupt, 8, 1),
                                       endpoint(0x80, TransferType::Bulk, 512)})}});
  DeviceModel model(Speed::High, DeviceDescriptor{}, {odd});
  ASSERT_TRUE(model.set_configuration(1));
  EXPECT_EQ(model.endpoint(EndpointAddress(0x81))->type, TransferType::Bulk);
  EXPECT_EQ(model.endpoint(EndpointAddress(0x80))->type, TransferType::Control);
}

TEST(DeviceModel, IsAValue) {
  auto model = two_configurations();
  ASSERT_TRUE(model.set_configuration(1));
  auto copy = model;
  ASSERT_TRUE(copy.set_configuration(2));
  EXPECT_EQ(model.endpoint(EndpointAddress(0x81))->type, TransferType::Bulk);
  EXPECT_EQ(copy.active_configuration(), &copy.configurations()[1]);
}

}  // namespace
}  // namespace periprox::usb
