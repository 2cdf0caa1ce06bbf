#include "periprox/physical/inventory.hpp"

#include <gmock/gmock.h>

#include "periprox/physical/machine_testing.hpp"

namespace periprox::physical {
namespace {

class InventoryTest : public testing::Test {
 protected:
  FakeMachine machine_;
  Inventory inventory_{machine_.paths};
};

TEST_F(InventoryTest, ReadsADevice) {
  machine_.add_device("1-1.2", "S1", "usbhid");
  const auto device = inventory_.find("1-1.2");
  ASSERT_TRUE(device) << device.error().text();
  EXPECT_EQ(device->busnum, 1U);
  EXPECT_EQ(device->devnum, 5U);
  EXPECT_EQ(device->idVendor(), 0x08f7);
  EXPECT_EQ(device->model.speed(), usb::Speed::High);
  EXPECT_EQ(device->model.configuration_value(), 1);
  EXPECT_EQ(device->model.product, "Go! Temp");
  EXPECT_NE(device->model.endpoint(usb::EndpointAddress(0x81)), nullptr);
  ASSERT_EQ(device->interfaces.size(), 1U);
  EXPECT_EQ(device->interfaces[0].driver, "usbhid");
  EXPECT_EQ(device->interfaces[0].class_code.code, 3);
  EXPECT_EQ(device->refusal, std::nullopt);
}

TEST_F(InventoryTest, ListsDevicesInTheOrderOfTheirPorts) {
  machine_.add_device("1-10", "");
  machine_.add_device("1-9", "");
  machine_.add_device("1-1", "");
  std::vector<std::string> busids;
  for (const auto& device : inventory_.list()) busids.push_back(device.busid);
  EXPECT_THAT(busids, testing::ElementsAre("1-1", "1-9", "1-10"));
}

TEST_F(InventoryTest, LeavesOutADeviceThatCannotBeRead) {
  const auto folder = machine_.add_device("1-1", "");
  std::filesystem::remove(folder / "devnum");
  EXPECT_TRUE(inventory_.list().empty());
  EXPECT_EQ(inventory_.find("1-1").error().kind, Error::Kind::Gone);
}

TEST_F(InventoryTest, ADeviceThatIsNotConfiguredHasNoInterfaces) {
  const auto folder = machine_.add_device("1-1", "");
  FakeMachine::write(folder / "bConfigurationValue", "\n");
  EXPECT_EQ(inventory_.find("1-1")->model.configuration_value(), 0);
}

TEST_F(InventoryTest, RefusesHubs) {
  const auto folder = machine_.add_device("1-1", "");
  auto descriptors = FakeMachine::descriptors();
  descriptors[4] = 9;
  FakeMachine::write(folder / "descriptors", descriptors);
  EXPECT_EQ(inventory_.find("1-1")->refusal, "it is a hub");
}

TEST_F(InventoryTest, RefusesDevicesAttachedThroughVhci) {
  machine_.add_device("3-1", "", "usbhid", "platform/vhci_hcd.0/usb3");
  EXPECT_EQ(inventory_.find("3-1")->refusal, "it is attached from another machine");
}

TEST_F(InventoryTest, RefusesADiskThatIsMounted) {
  const auto folder = machine_.add_device("1-1", "", "usb-storage");
  const auto disk = folder / "1-1:1.0/host0/target0:0:0/0:0:0:0/block/sda";
  FakeMachine::write(disk / "dev", "8:0\n");
  FakeMachine::write(disk / "sda1/dev", "8:1\n");
  FakeMachine::write(machine_.paths.proc / "self/mountinfo",
                     "29 1 8:1 / /mnt/stick rw,noatime shared:1 - ext4 /dev/sda1 rw\n");
  EXPECT_EQ(inventory_.find("1-1")->refusal, "in use: sda1 is mounted on /mnt/stick");
}

TEST_F(InventoryTest, RefusesADiskWhoseFileSystemHasANumberOfItsOwn) {
  const auto folder = machine_.add_device("1-1", "", "usb-storage");
  FakeMachine::write(folder / "1-1:1.0/host0/block/sda/dev", "8:0\n");
  FakeMachine::write(machine_.paths.proc / "self/mountinfo",
                     "29 1 0:42 / /data rw - btrfs /dev/sda rw\n");
  EXPECT_EQ(inventory_.find("1-1")->refusal, "in use: sda is mounted on /data");
}

TEST_F(InventoryTest, RefusesADiskThatIsSwap) {
  const auto folder = machine_.add_device("1-1", "", "usb-storage");
  FakeMachine::write(folder / "1-1:1.0/host0/block/sda/dev", "8:0\n");
  FakeMachine::write(machine_.paths.proc / "swaps",
                     "Filename Type Size Used Priority\n/dev/sda partition 1 0 -2\n");
  EXPECT_EQ(inventory_.find("1-1")->refusal, "in use: sda is used as swap");
}

TEST_F(InventoryTest, RefusesADiskThatAnotherBlockDeviceHolds) {
  const auto folder = machine_.add_device("1-1", "", "usb-storage");
  FakeMachine::write(folder / "1-1:1.0/host0/block/sda/dev", "8:0\n");
  FakeMachine::write(folder / "1-1:1.0/host0/block/sda/holders/dm-0", "");
  EXPECT_EQ(inventory_.find("1-1")->refusal, "in use: sda is part of dm-0");
}

TEST_F(InventoryTest, DoesNotRefuseADiskThatNobodyUses) {
  const auto folder = machine_.add_device("1-1", "", "usb-storage");
  FakeMachine::write(folder / "1-1:1.0/host0/block/sda/dev", "8:16\n");
  FakeMachine::write(machine_.paths.proc / "self/mountinfo",
                     "29 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  EXPECT_EQ(inventory_.find("1-1")->refusal, std::nullopt);
}

TEST_F(InventoryTest, SelectsByIds) {
  machine_.add_device("1-1", "S1");
  EXPECT_EQ(inventory_.select("0x08f7.0x0002")->busid, "1-1");
}

TEST_F(InventoryTest, SelectsBySerialNumber) {
  machine_.add_device("1-1", "S1");
  machine_.add_device("1-2", "S2");
  EXPECT_EQ(inventory_.select("0x08f7.0x0002@S2")->busid, "1-2");
}

TEST_F(InventoryTest, SelectingTwoDevicesIsAMistakeThatNamesThem) {
  machine_.add_device("1-1", "S1");
  machine_.add_device("1-2", "S2");
  const auto device = inventory_.select("0x08f7.0x0002");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().kind, Error::Kind::Usage);
  EXPECT_EQ(device.error().why, "2 devices match: 1-1, 1-2");
}

TEST_F(InventoryTest, IdsNeverMeanAnImportedDevice) {
  machine_.add_device("1-1", "S1");
  machine_.add_device("3-1", "S1", "usbhid", "platform/vhci_hcd.0/usb3");
  EXPECT_EQ(inventory_.select("0x08f7.0x0002")->busid, "1-1");
  EXPECT_EQ(inventory_.select("3-1")->busid, "3-1");
}

TEST_F(InventoryTest, SelectingNothingIsNotFound) {
  machine_.add_device("1-1", "S1");
  EXPECT_EQ(inventory_.select("0x08f7.0x0003").error().kind, Error::Kind::NotFound);
  EXPECT_EQ(inventory_.select("0x08f7.0x0002@S9").error().kind, Error::Kind::NotFound);
  EXPECT_EQ(inventory_.select("9-9").error().kind, Error::Kind::NotFound);
  EXPECT_EQ(inventory_.select("1-1:1.0").error().kind, Error::Kind::Usage);
}

TEST_F(InventoryTest, ReportsABrokenDeviceDescriptor) {
  const auto folder = machine_.add_device("1-1", "");
  FakeMachine::write(folder / "descriptors", "short");
  EXPECT_EQ(inventory_.find("1-1").error().kind, Error::Kind::Malformed);
}

std::string blocks(std::uint16_t claimed_length) {
  auto device = FakeMachine::device_descriptor();
  device.bNumConfigurations = 2;
  const auto head = bytes_of(device);
  auto first = usb::build_configuration(FakeMachine::configuration(1));
  first[2] = static_cast<std::byte>(claimed_length & 0xff);
  first[3] = static_cast<std::byte>(claimed_length >> 8);
  return FakeMachine::text_of({head.begin(), head.end()}) + FakeMachine::text_of(first) +
         FakeMachine::text_of(usb::build_configuration(FakeMachine::configuration(2)));
}

TEST(Descriptors, AreSplitAtTheLengthOfEachConfiguration) {
  const auto model = parse_descriptors(usb::Speed::High, bytes_of_text(blocks(25)));
  ASSERT_TRUE(model);
  ASSERT_EQ(model->configurations().size(), 2U);
  EXPECT_EQ(model->configurations()[1].descriptor.bConfigurationValue, 2);
}

TEST(Descriptors, ALengthThatLiesHidesNoOtherConfiguration) {
  for (const std::uint16_t lie : {0, 4, 26, 49, 50, 9999, 65535}) {
    const auto model = parse_descriptors(usb::Speed::High, bytes_of_text(blocks(lie)));
    ASSERT_TRUE(model) << lie;
    EXPECT_GE(model->configurations().size(), 1U) << lie;
  }
  const auto model = parse_descriptors(usb::Speed::High, bytes_of_text(blocks(9999)));
  EXPECT_EQ(model->configurations().size(), 2U);
}

TEST(Descriptors, CutAnywhereAreNoTrouble) {
  const auto whole = blocks(25);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto model = parse_descriptors(usb::Speed::High, bytes_of_text(whole).first(length));
    EXPECT_EQ(model.has_value(), length >= 18) << length;
  }
}

}  // namespace
}  // namespace periprox::physical
