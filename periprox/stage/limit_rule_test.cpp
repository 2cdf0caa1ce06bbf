#include "periprox/stage/limit_rule.hpp"

#include <gtest/gtest.h>

namespace periprox::stage {
namespace {

using namespace std::chrono_literals;
using Kind = LimitRule::Kind;

TEST(LimitRule, ReadsRates) {
  const auto urbs = parse_limit_rule("urbs=500").value();
  EXPECT_EQ(urbs.kind, Kind::Urbs);
  EXPECT_EQ(urbs.rate, 500U);
  const auto bytes = parse_limit_rule("bytes=1.5M").value();
  EXPECT_EQ(bytes.kind, Kind::Bytes);
  EXPECT_EQ(bytes.rate, 1'500'000U);
}

TEST(LimitRule, HasDefaultsForABreaker) {
  const auto rule = parse_limit_rule("breaker").value();
  EXPECT_EQ(rule.kind, Kind::Breaker);
  EXPECT_EQ(rule.share, 0.5);
  EXPECT_EQ(rule.least, 20U);
  EXPECT_EQ(rule.window, 10s);
  EXPECT_EQ(rule.pause, 5s);
}

TEST(LimitRule, ReadsTheSettingsOfABreaker) {
  const auto rule = parse_limit_rule("breaker=25%,least=4,within=2s,pause=300ms").value();
  EXPECT_EQ(rule.share, 0.25);
  EXPECT_EQ(rule.least, 4U);
  EXPECT_EQ(rule.window, 2s);
  EXPECT_EQ(rule.pause, 300ms);
}

TEST(LimitRule, ReadsHowLongOrphansAreWaitedFor) {
  EXPECT_EQ(parse_limit_rule("orphans").value().patience, 5s);
  EXPECT_EQ(parse_limit_rule("orphans=90s").value().patience, 90s);
}

TEST(LimitRule, RefusesWhatMakesNoSense) {
  for (const auto* text : {"",
                           "urbs",
                           "urbs=",
                           "urbs=0",
                           "urbs=-1",
                           "bytes=lots",
                           "urbs=5,bytes=5",
                           "speed=1",
                           "breaker=0%",
                           "breaker=101%",
                           "breaker=50",
                           "breaker,least=0",
                           "breaker,least",
                           "breaker,within=0s",
                           "breaker,pause=2d",
                           "breaker,",
                           "least=3,breaker",
                           "orphans=",
                           "orphans=0ms",
                           "orphans,pause=5s"}) {
    const auto rule = parse_limit_rule(text);
    ASSERT_FALSE(rule) << text;
    EXPECT_EQ(rule.error().kind, Error::Kind::Usage);
    EXPECT_FALSE(rule.error().hint.empty()) << text;
  }
}

}  // namespace
}  // namespace periprox::stage
