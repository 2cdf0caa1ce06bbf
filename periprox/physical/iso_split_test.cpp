#include "periprox/physical/iso_split.hpp"

#include <gmock/gmock.h>

#include <cstring>

namespace periprox::physical {
namespace {

using ::testing::ElementsAre;
using usb::IsoPacket;

std::vector<IsoPacket> packets(std::size_t count, std::uint32_t length) {
  std::vector<IsoPacket> made;
  for (std::uint32_t i = 0; i < count; ++i) made.push_back({i * length, length, 0, {}});
  return made;
}

TEST(IsoSplit, KeepsUpTo128PacketsTogether) {
  EXPECT_THAT(split_iso(packets(128, 10), 128), ElementsAre(IsoPiece{0, 128, 0, 1280}));
  EXPECT_THAT(split_iso(packets(1, 10), 128), ElementsAre(IsoPiece{0, 1, 0, 10}));
}

TEST(IsoSplit, CutsAfter128Packets) {
  EXPECT_THAT(split_iso(packets(129, 10), 128),
              ElementsAre(IsoPiece{0, 128, 0, 1280}, IsoPiece{128, 1, 1280, 10}));
}

TEST(IsoSplit, CutsTheLargestTransferIntoEight) {
  EXPECT_EQ(split_iso(packets(1024, 1), 128).size(), 8U);
}

TEST(IsoPackets, FitWhenEachLiesWithinTheBuffer) {
  EXPECT_TRUE(iso_packets_fit(packets(3, 10), 30));
  EXPECT_FALSE(iso_packets_fit(packets(3, 10), 29));
  EXPECT_FALSE(iso_packets_fit({}, 30));
  EXPECT_FALSE(iso_packets_fit(packets(1025, 0), 30));
  const std::vector<IsoPacket> wraps{{0xfffffff0, 0x20, 0, {}}};
  EXPECT_FALSE(iso_packets_fit(wraps, 0x10));
  const std::vector<IsoPacket> overlaps{{0, 10, 0, {}}, {5, 10, 0, {}}};
  EXPECT_TRUE(iso_packets_fit(overlaps, 15));
}

TEST(IsoPackets, ArePackedWhenThereAreNoGaps) {
  EXPECT_TRUE(iso_packets_packed(packets(3, 10)));
  const std::vector<IsoPacket> gap{{0, 10, 0, {}}, {16, 10, 0, {}}};
  EXPECT_FALSE(iso_packets_packed(gap));
  const std::vector<IsoPacket> late{{4, 10, 0, {}}};
  EXPECT_FALSE(iso_packets_packed(late));
}

TEST(IsoPackets, ArePackedAndSpreadByTheirOffsets) {
  const std::vector<IsoPacket> sparse{{4, 2, 2, {}}, {0, 3, 1, {}}};
  std::array<char, 5> packed{};
  pack_iso(sparse, bytes_of_text("ABC_xy"), std::as_writable_bytes(std::span(packed)));
  EXPECT_EQ(std::string_view(packed.data(), 5), "xyABC");
  std::array<char, 6> spread{'-', '-', '-', '-', '-', '-'};
  spread_iso(sparse, bytes_of_text("xyABC"), std::as_writable_bytes(std::span(spread)));
  EXPECT_EQ(std::string_view(spread.data(), 6), "A---xy");
}

}  // namespace
}  // namespace periprox::physical
