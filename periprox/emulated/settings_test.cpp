#include "periprox/emulated/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace periprox::emulated {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr std::array kKnown{SettingInfo{"count", "3", "how many"},
                            SettingInfo{"mode", "a", "which way"}};

TEST(ParseSettings, ReadsPairs) {
  EXPECT_THAT(parse_settings("a=1&b=x=y").value(), ElementsAre(Pair("a", "1"), Pair("b", "x=y")));
  EXPECT_THAT(parse_settings("").value(), ElementsAre());
}

TEST(ParseSettings, DecodesPercent) {
  EXPECT_THAT(parse_settings("a=1%262%20").value(), ElementsAre(Pair("a", "1&2 ")));
}

TEST(ParseSettings, RefusesWhatIsNoPair) {
  EXPECT_FALSE(parse_settings("a"));
  EXPECT_FALSE(parse_settings("=1"));
  EXPECT_FALSE(parse_settings("a=1&&b=2"));
  EXPECT_FALSE(parse_settings("a=%4"));
  EXPECT_FALSE(parse_settings("a=%zz"));
  EXPECT_FALSE(parse_settings("a=1&a=2"));
}

TEST(ParseMillionths, ReadsDecimalsExactly) {
  EXPECT_EQ(parse_millionths("21.5"), 21'500'000);
  EXPECT_EQ(parse_millionths("-0.000001"), -1);
  EXPECT_EQ(parse_millionths("+7"), 7'000'000);
}

TEST(ParseMillionths, RefusesAnythingElse) {
  for (const auto* text : {"", "-", ".5", "5.", "1e3", "1.2345678", "1,5", " 1", "nan", "1.2.3",
                           "99999999999999999999"}) {
    EXPECT_FALSE(parse_millionths(text)) << text;
  }
}

TEST(SettingsReader, FallsBack) {
  const Settings none;
  SettingsReader reader("thing", none, kKnown);
  EXPECT_EQ(reader.integer("count", 0, 9), 3);
  EXPECT_EQ(reader.choice("mode", {"a", "b"}), 0U);
  EXPECT_FALSE(reader.error());
}

TEST(SettingsReader, NamesTheSettingsWhenOneIsUnknown) {
  const Settings settings{{"colour", "red"}};
  SettingsReader reader("thing", settings, kKnown);
  ASSERT_TRUE(reader.error());
  EXPECT_EQ(reader.error()->kind, Error::Kind::Usage);
  EXPECT_THAT(reader.error()->text(), HasSubstr("no setting 'colour'"));
  EXPECT_THAT(reader.error()->text(), HasSubstr("count and mode"));
}

TEST(SettingsReader, SaysWhatAValueHasToBe) {
  const Settings settings{{"count", "11"}};
  SettingsReader reader("thing", settings, kKnown);
  (void)reader.integer("count", 0, 9);
  ASSERT_TRUE(reader.error());
  EXPECT_THAT(reader.error()->text(), HasSubstr("count=11 is not a whole number from 0 to 9"));
}

TEST(SettingsReader, ListsChoices) {
  const Settings settings{{"mode", "c"}};
  SettingsReader reader("thing", settings, kKnown);
  (void)reader.choice("mode", {"a", "b"});
  ASSERT_TRUE(reader.error());
  EXPECT_THAT(reader.error()->text(), HasSubstr("mode=c is not a or b"));
}

TEST(SettingsReader, RefusesSettingsThatExcludeEachOther) {
  const Settings settings{{"count", "1"}, {"mode", "a"}};
  SettingsReader reader("thing", settings, kKnown);
  reader.exclusive({"count", "mode"});
  ASSERT_TRUE(reader.error());
  EXPECT_THAT(reader.error()->text(), HasSubstr("count and mode exclude each other"));
}

}  // namespace
}  // namespace periprox::emulated
