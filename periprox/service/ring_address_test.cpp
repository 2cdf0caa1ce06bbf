#include "periprox/service/ring_address.hpp"

#include <gtest/gtest.h>

namespace periprox::service {
namespace {

using Kind = RingAddress::Kind;
using std::chrono::microseconds;

Error::Kind error_kind(std::string_view text) { return parse_ring_address(text).error().kind; }

TEST(RingAddress, ReadsASocket) {
  const auto address = parse_ring_address("ring:///run/p.ring").value();
  EXPECT_EQ(address, (RingAddress{.kind = Kind::Socket, .place = "/run/p.ring"}));
  EXPECT_EQ(address.text(), "ring:///run/p.ring");
}

TEST(RingAddress, ReadsAFile) {
  const auto address = parse_ring_address("ring+file:///dev/shm/p").value();
  EXPECT_EQ(address, (RingAddress{.kind = Kind::File, .place = "/dev/shm/p"}));
}

TEST(RingAddress, ReadsAPciDevice) {
  const auto address = parse_ring_address("ring+pci://0000:00:05.0").value();
  EXPECT_EQ(address, (RingAddress{.kind = Kind::Pci, .place = "0000:00:05.0"}));
}

TEST(RingAddress, ReadsSettings) {
  const auto address =
      parse_ring_address("ring:///run/p.ring?spin_us=0&cpu=1&arena_mib=64").value();
  EXPECT_EQ(address.spin, microseconds(0));
  EXPECT_EQ(address.cpu, 1);
  EXPECT_EQ(address.arena, 64U << 20);
}

TEST(RingAddress, SaysHowLongToWaitForASignOfLife) {
  const auto limits =
      parse_ring_address("ring:///run/p.ring?heartbeat_ms=50&silence_s=600").value().limits();
  EXPECT_EQ(limits.heartbeat, std::chrono::milliseconds(50));
  EXPECT_EQ(limits.silence, std::chrono::minutes(10));
}

TEST(RingAddress, LeavesLimitsThatItDoesNotName) {
  const session::RingLimits given{.heartbeat = std::chrono::milliseconds(7),
                                  .silence = std::chrono::seconds(77)};
  const auto limits = parse_ring_address("ring:///run/p.ring").value().limits(given);
  EXPECT_EQ(limits.heartbeat, given.heartbeat);
  EXPECT_EQ(limits.silence, given.silence);
}

TEST(RingAddress, RefusesWhatIsNone) {
  EXPECT_EQ(error_kind("ring://"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring://relative"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring:///run/folder/"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring+pci://5"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring+pci://../../../../etc"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring+tape:///x"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring:///" + std::string(200, 'x')), Error::Kind::Usage);
}

TEST(RingAddress, RefusesSettingsThatMakeNoSense) {
  EXPECT_EQ(error_kind("ring:///p?spin_us=-1"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring:///p?arena_mib=0"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring:///p?heartbeat_ms=0"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring:///p?silence_s=1"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring:///p?speed=9"), Error::Kind::Usage);
  EXPECT_EQ(error_kind("ring:///p?busid=1-1"), Error::Kind::Usage);
}

TEST(RingLocator, ReadsADeviceBehindTheAddress) {
  const auto locator = parse_ring_locator("ring:///run/p.ring/1-1.2?spin_us=10").value();
  EXPECT_EQ(locator.ring.place, "/run/p.ring");
  EXPECT_EQ(locator.ring.spin, microseconds(10));
  EXPECT_EQ(locator.device.busid, "1-1.2");
}

TEST(RingLocator, ReadsADeviceAsASetting) {
  const auto locator = parse_ring_locator("ring+pci://0000:00:05.0?busid=1-1").value();
  EXPECT_EQ(locator.ring.place, "0000:00:05.0");
  EXPECT_EQ(locator.device.busid, "1-1");
}

TEST(RingLocator, ReadsIdsInThePlaceOfABusId) {
  const auto locator = parse_ring_locator("ring:///run/p.ring/0x08f7.0x0002").value();
  EXPECT_EQ(locator.device.idVendor, 0x08f7);
}

TEST(RingLocator, RefusesAnAddressWithoutDevice) {
  EXPECT_EQ(parse_ring_locator("ring+pci://0000:00:05.0").error().kind, Error::Kind::Usage);
  EXPECT_EQ(parse_ring_locator("ring:///run/p.ring/").error().kind, Error::Kind::Usage);
}

}  // namespace
}  // namespace periprox::service
