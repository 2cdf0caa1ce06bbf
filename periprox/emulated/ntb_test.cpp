#include "periprox/emulated/ntb.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/emulated/declaration.hpp"

namespace periprox::emulated::ntb {
namespace {

using ::testing::HasSubstr;

/// One frame of five bytes: header, frame, padding, table.
std::vector<std::byte> small_block() {
  return raw_bytes({'N', 'C', 'M', 'H', 12, 0, 7, 0, 36, 0, 20, 0,  //
                    1,   2,   3,   4,   5,  0, 0, 0,                //
                    'N', 'C', 'M', '0', 16, 0, 0, 0, 12, 0, 5,  0, 0, 0, 0, 0});
}

std::vector<std::byte> with(std::size_t place, int value) {
  auto block = small_block();
  block.at(place) = static_cast<std::byte>(value);
  return block;
}

std::string refusal(const std::vector<std::byte>& block) {
  const auto parsed = parse(block);
  return parsed ? "parsed" : parsed.error().text();
}

TEST(Ntb, IsBuiltAsTheStandardHasIt) {
  Builder builder;
  builder.begin(16384);
  builder.add(raw_bytes({1, 2, 3, 4, 5}));
  const auto block = builder.finish(7);
  EXPECT_EQ(std::vector(block.begin(), block.end()), small_block());
}

TEST(Ntb, IsParsedIntoItsFrames) {
  const auto block = small_block();
  const auto frames = parse(block).value();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(std::vector(frames[0].begin(), frames[0].end()), raw_bytes({1, 2, 3, 4, 5}));
}

TEST(Ntb, FillsABlockUpToItsLimitAndNotBeyond) {
  Builder builder;
  builder.begin(2048);
  std::size_t count = 0;
  for (const std::vector<std::byte> frame(100); builder.room() >= frame.size(); ++count) {
    builder.add(frame);
  }
  const auto block = builder.finish(0);
  EXPECT_LE(block.size(), 2048U);
  EXPECT_GT(block.size(), 2048U - 2 * 104);
  EXPECT_EQ(parse(block).value().size(), count);
}

TEST(Ntb, AFrameThatUsesAllTheRoomFits) {
  for (std::uint32_t limit = 40; limit < 48; ++limit) {
    Builder builder;
    builder.begin(limit);
    builder.add(std::vector<std::byte>(builder.room()));
    EXPECT_LE(builder.finish(0).size(), limit);
  }
}

TEST(Ntb, ABlockLengthOfZeroMeansTheWholeTransfer) {
  EXPECT_EQ(parse(with(8, 0)).value().size(), 1U);
}

TEST(Ntb, RefusesNumbersThatPointOutside) {
  EXPECT_THAT(refusal({}), HasSubstr("no 16-bit transfer header"));
  EXPECT_THAT(refusal(with(4, 16)), HasSubstr("no 16-bit transfer header"));
  EXPECT_THAT(refusal(with(8, 37)), HasSubstr("wBlockLength is 37, but there are 36"));
  EXPECT_THAT(refusal(with(8, 11)), HasSubstr("wBlockLength is 11"));
  EXPECT_THAT(refusal(with(10, 40)), HasSubstr("no place for a datagram pointer table"));
  EXPECT_THAT(refusal(with(10, 18)), HasSubstr("no place for a datagram pointer table"));
  EXPECT_THAT(refusal(with(10, 36)), HasSubstr("no datagram pointer table"));
  EXPECT_THAT(refusal(with(23, '1')), HasSubstr("without CRC"));
  EXPECT_THAT(refusal(with(24, 20)), HasSubstr("wLength is 20"));
  EXPECT_THAT(refusal(with(24, 12)), HasSubstr("wLength is 12"));
  EXPECT_THAT(refusal(with(28, 4)), HasSubstr("is not within the block"));
  EXPECT_THAT(refusal(with(31, 1)), HasSubstr("is not within the block"));
}

TEST(Ntb, RefusesTablesThatLeadInACircle) {
  EXPECT_THAT(refusal(with(26, 20)), HasSubstr("too many datagram pointer tables"));
}

}  // namespace
}  // namespace periprox::emulated::ntb
