#include "periprox/usb/speed.hpp"

#include <gtest/gtest.h>

namespace periprox::usb {
namespace {

class EverySpeed : public ::testing::TestWithParam<Speed> {};

TEST_P(EverySpeed, SurvivesTheWayOverItsCode) {
  EXPECT_EQ(speed_from_code(static_cast<std::uint32_t>(GetParam())), GetParam());
}
TEST_P(EverySpeed, SurvivesTheWayOverItsName) {
  EXPECT_EQ(parse_speed(speed_name(GetParam())), GetParam());
}
TEST_P(EverySpeed, SurvivesTheWayOverItsRate) {
  EXPECT_EQ(parse_speed_mbps(speed_mbps(GetParam())), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Speed, EverySpeed,
                         ::testing::Values(Speed::Low, Speed::Full, Speed::High, Speed::Wireless,
                                           Speed::Super, Speed::SuperPlus));

TEST(Speed, HasTheNumbersOfLinux) {
  EXPECT_EQ(static_cast<int>(Speed::Low), 1);
  EXPECT_EQ(static_cast<int>(Speed::High), 3);
  EXPECT_EQ(static_cast<int>(Speed::SuperPlus), 6);
}

TEST(Speed, IsNoneForAnyOtherNumberOrWord) {
  EXPECT_FALSE(speed_from_code(0).has_value());
  EXPECT_FALSE(speed_from_code(7).has_value());
  EXPECT_FALSE(speed_from_code(0xffffffff).has_value());
  EXPECT_FALSE(parse_speed("").has_value());
  EXPECT_FALSE(parse_speed("High").has_value());
  EXPECT_FALSE(parse_speed_mbps("481").has_value());
}

TEST(Speed, TakesTheRateOfTwoLanes) { EXPECT_EQ(parse_speed_mbps("20000"), Speed::SuperPlus); }

TEST(Speed, CountsInMicroframesFromHighSpeedOn) {
  EXPECT_FALSE(uses_microframes(Speed::Low));
  EXPECT_FALSE(uses_microframes(Speed::Full));
  EXPECT_TRUE(uses_microframes(Speed::High));
  EXPECT_TRUE(uses_microframes(Speed::Super));
}

TEST(Speed, IsSuperFromSuperSpeedOn) {
  EXPECT_FALSE(is_super(Speed::High));
  EXPECT_FALSE(is_super(Speed::Wireless));
  EXPECT_TRUE(is_super(Speed::Super));
  EXPECT_TRUE(is_super(Speed::SuperPlus));
}

}  // namespace
}  // namespace periprox::usb
