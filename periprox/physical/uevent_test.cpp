#include "periprox/physical/uevent.hpp"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <random>
#include <string>

#include "periprox/physical/uevent_socket.hpp"

namespace periprox::physical {
namespace {

using namespace std::string_literals;

/// As Linux 6.1 sends it when a device has been set up.
const std::string kBind =
    "bind@/devices/pci0000:00/0000:00:04.0/usb2/2-1\0"
    "ACTION=bind\0"
    "DEVPATH=/devices/pci0000:00/0000:00:04.0/usb2/2-1\0"
    "SUBSYSTEM=usb\0"
    "MAJOR=189\0"
    "MINOR=129\0"
    "DEVNAME=bus/usb/002/002\0"
    "DEVTYPE=usb_device\0"
    "DRIVER=usb\0"
    "PRODUCT=46f4/1/0\0"
    "TYPE=0/0/0\0"
    "BUSNUM=002\0"
    "DEVNUM=002\0"
    "SEQNUM=1234\0"s;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

TEST(Uevent, TellsThatADeviceIsReady) {
  const auto event = parse_uevent(bytes_of_text(kBind));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, UsbEvent::Kind::Ready);
  EXPECT_EQ(event->device, (DevicePresence{"2-1", 2, 2}));
}

TEST(Uevent, TellsThatADeviceWasRemoved) {
  const auto event = parse_uevent(bytes_of_text(replaced(kBind, "bind", "remove")));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, UsbEvent::Kind::Removed);
}

TEST(Uevent, PassesOverOtherActions) {
  EXPECT_FALSE(parse_uevent(bytes_of_text(replaced(kBind, "bind", "change"))));
}

TEST(Uevent, PassesOverInterfacesRootHubsAndOtherSubsystems) {
  EXPECT_FALSE(parse_uevent(bytes_of_text(replaced(kBind, "usb_device", "usb_interface"))));
  EXPECT_FALSE(parse_uevent(bytes_of_text(replaced(kBind, "/2-1", ""))));
  EXPECT_FALSE(parse_uevent(bytes_of_text(replaced(kBind, "=usb\0"s, "=net\0"s))));
}

TEST(Uevent, NeedsItsNumbers) {
  EXPECT_FALSE(parse_uevent(bytes_of_text(replaced(kBind, "DEVNUM=002", "DEVNUM=-2"))));
  EXPECT_FALSE(parse_uevent(bytes_of_text(replaced(kBind, "BUSNUM=002", "BUSNUM=99999999999"))));
  EXPECT_FALSE(parse_uevent(bytes_of_text(replaced(kBind, "BUSNUM=002\0"s, ""))));
}

TEST(Uevent, IsNotWhatUdevSends) {
  EXPECT_FALSE(parse_uevent(bytes_of_text("libudev\0\xfe\xed\xca\xfe"s + kBind)));
}

TEST(Uevent, CutOffAnywhereNamesNoOtherDevice) {
  for (std::size_t length = 0; length < kBind.size(); ++length) {
    const auto event = parse_uevent(bytes_of_text(kBind).first(length));
    if (event) {
      EXPECT_EQ(event->device, (DevicePresence{"2-1", 2, 2}));
    }
  }
}

TEST(Uevent, OfRandomBytesIsNone) {
  std::mt19937 random(1);
  for (int round = 0; round < 10000; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 5 == 0 ? 0 : random());
    EXPECT_FALSE(parse_uevent(bytes_of_text(bytes)));
  }
}

TEST(UeventSocket, IgnoresWhatDoesNotComeFromTheKernel) {
  auto socket = UeventSocket::open();
  if (!socket) GTEST_SKIP() << socket.error().text();
  sockaddr_nl group{};
  group.nl_family = AF_NETLINK;
  group.nl_groups = 1;
  const UniqueFd forger(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT));
  if (::sendto(forger.get(), kBind.data(), kBind.size(), 0,
               reinterpret_cast<const sockaddr*>(&group), sizeof group) < 0) {
    GTEST_SKIP() << "sending to the group is not permitted here";
  }
  EXPECT_EQ(socket->receive().outcome, UeventSocket::Outcome::Ignored);
}

}  // namespace
}  // namespace periprox::physical
