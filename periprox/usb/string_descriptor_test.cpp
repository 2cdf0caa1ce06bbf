#include <string>

#include <gmock/gmock.h>

#include "periprox/usb/configuration.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

std::optional<std::string> parsed(std::string_view hex) {
  return parse_string(parse_hex_bytes(hex).value());
}

TEST(BuildString, WritesUtf16LittleEndian) {
  EXPECT_EQ(hex_bytes(build_string("Go!")), "08 03 47 00 6f 00 21 00");
  EXPECT_EQ(hex_bytes(build_string("é€")), "06 03 e9 00 ac 20");
  EXPECT_EQ(hex_bytes(build_string("")), "02 03");
}

TEST(BuildString, WritesPairsForWhatLiesBeyondSixteenBits) {
  EXPECT_EQ(hex_bytes(build_string("\U0001f600")), "06 03 3d d8 00 de");
}

TEST(BuildString, CutsAtTheLongestString) {
  EXPECT_EQ(build_string(std::string(126, 'x')).size(), 254U);
  EXPECT_EQ(build_string(std::string(127, 'x')).size(), 254U);
  EXPECT_EQ(build_string(std::string(10000, 'x')).size(), 254U);
}

TEST(BuildString, DoesNotCutWithinAPair) {
  const auto bytes = build_string(std::string(125, 'x') + "\U0001f600");
  EXPECT_EQ(bytes.size(), 252U);
  EXPECT_THAT(parse_string(bytes), Optional(std::string(125, 'x')));
}

TEST(BuildString, ReplacesMalformedUtf8) {
  EXPECT_EQ(hex_bytes(build_string("\xff")), "04 03 fd ff");
  EXPECT_EQ(hex_bytes(build_string("\xc0\x80")), "06 03 fd ff fd ff");            // overlong
  EXPECT_EQ(hex_bytes(build_string("\xed\xa0\x80")), "08 03 fd ff fd ff fd ff");  // surrogate
  EXPECT_EQ(hex_bytes(build_string("\xe2\x82")), "06 03 fd ff fd ff");            // cut short
  EXPECT_EQ(hex_bytes(build_string("\xf4\x90\x80\x80")),
            "0a 03 fd ff fd ff fd ff fd ff");  // beyond U+10FFFF
}

TEST(ParseString, ReadsUtf16LittleEndian) {
  EXPECT_THAT(parsed("08 03 47 00 6f 00 21 00"), Optional(std::string("Go!")));
  EXPECT_THAT(parsed("06 03 e9 00 ac 20"), Optional(std::string("é€")));
  EXPECT_THAT(parsed("02 03"), Optional(std::string()));
}

TEST(ParseString, JoinsPairs) {
  EXPECT_THAT(parsed("06 03 3d d8 00 de"), Optional(std::string("\U0001f600")));
  EXPECT_THAT(parsed("06 03 ff db ff df"), Optional(std::string("\U0010ffff")));
}

TEST(ParseString, ReplacesUnpairedSurrogates) {
  EXPECT_THAT(parsed("04 03 3d d8"), Optional(std::string("\uFFFD")));
  EXPECT_THAT(parsed("04 03 00 de"), Optional(std::string("\uFFFD")));
  EXPECT_THAT(parsed("06 03 3d d8 41 00"), Optional(std::string("\uFFFD"
                                                                "A")));
  EXPECT_THAT(parsed("08 03 3d d8 3d d8 00 de"), Optional(std::string("\uFFFD\U0001f600")));
  EXPECT_THAT(parsed("06 03 00 de 3d d8"), Optional(std::string("\uFFFD\uFFFD")));
}

TEST(ParseString, ReadsWhatIsThereWhenTheRestIsMissing) {
  EXPECT_THAT(parsed("08 03 47 00 6f 00"), Optional(std::string("Go")));
  EXPECT_THAT(parsed("08 03 47 00 6f"), Optional(std::string("G")));
}

TEST(ParseString, IgnoresWhatStandsBehind) {
  EXPECT_THAT(parsed("04 03 47 00 6f 00"), Optional(std::string("G")));
  EXPECT_THAT(parsed("05 03 47 00 6f 00"), Optional(std::string("G")));
}

TEST(ParseString, KeepsNulCharacters) {
  EXPECT_THAT(parsed("06 03 00 00 41 00"), Optional(std::string("\0A", 2)));
}

TEST(ParseString, RefusesWhatIsNoStringDescriptor) {
  EXPECT_FALSE(parsed("").has_value());
  EXPECT_FALSE(parsed("02").has_value());
  EXPECT_FALSE(parsed("00 03").has_value());
  EXPECT_FALSE(parsed("01 03 41 00").has_value());
  EXPECT_FALSE(parsed("04 02 41 00").has_value());
}

TEST(LanguageList, SurvivesTheWayOverItsBytes) {
  const std::uint16_t languages[]{0x0409, 0x0407};
  const auto bytes = build_language_list(languages);
  EXPECT_EQ(hex_bytes(bytes), "06 03 09 04 07 04");
  EXPECT_THAT(parse_language_list(bytes), ElementsAre(0x0409, 0x0407));
}

TEST(LanguageList, IsEmptyForOtherBytes) {
  EXPECT_THAT(parse_language_list({}), IsEmpty());
  EXPECT_THAT(parse_language_list(parse_hex_bytes("04 02 09 04").value()), IsEmpty());
}

}  // namespace
}  // namespace periprox::usb
