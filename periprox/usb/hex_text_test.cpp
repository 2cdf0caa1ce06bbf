#include "periprox/usb/hex_text.hpp"

#include <gtest/gtest.h>

namespace periprox::usb {
namespace {

TEST(HexText, HasAtLeastTheDigitsAskedFor) {
  EXPECT_EQ(hex_text(0x5), "0x05");
  EXPECT_EQ(hex_text(0, 4), "0x0000");
  EXPECT_EQ(hex_text(0x1d6b, 4), "0x1d6b");
  EXPECT_EQ(hex_text(0xdeadbeef, 2), "0xdeadbeef");
}

TEST(HexBytes, SurvivesTheWayOverItsText) {
  const auto bytes = parse_hex_bytes("00 7f 80 ff");
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ(hex_bytes(*bytes), "00 7f 80 ff");
}

TEST(HexBytes, TakesCapitalsAndNoSpaces) {
  const auto bytes = parse_hex_bytes("DEadBE EF");
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ(hex_bytes(*bytes), "de ad be ef");
}

TEST(HexBytes, RefusesWhatIsNoPairOfDigits) {
  EXPECT_FALSE(parse_hex_bytes("0").has_value());
  EXPECT_FALSE(parse_hex_bytes("0 1").has_value());
  EXPECT_FALSE(parse_hex_bytes("0g").has_value());
  EXPECT_FALSE(parse_hex_bytes("0x12").has_value());
}

TEST(HexBytes, TakesNothingForNothing) {
  const auto bytes = parse_hex_bytes("");
  ASSERT_TRUE(bytes.has_value());
  EXPECT_TRUE(bytes->empty());
}

TEST(BcdText, WritesReleaseNumbersAsPeopleDo) {
  EXPECT_EQ(bcd_text(0x0200), "2.00");
  EXPECT_EQ(bcd_text(0x0320), "3.20");
  EXPECT_EQ(bcd_text(0x1234), "12.34");
  EXPECT_EQ(bcd_text(0x0000), "0.00");
}

}  // namespace
}  // namespace periprox::usb
