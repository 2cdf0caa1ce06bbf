#include <gmock/gmock.h>

#include "periprox/usb/configuration.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::byte> block(std::string_view hex) { return parse_hex_bytes(hex).value(); }

constexpr std::string_view kSuperSpeedBos =
    "05 0f 16 00 02  07 10 02 02 00 00 00  0a 10 03 00 0e 00 01 0a ff 07";

TEST(ParseBos, KeepsCapabilitiesRaw) {
  const auto parsed = parse_bos(block(kSuperSpeedBos));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_THAT(parsed->findings, IsEmpty());
  EXPECT_THAT(parsed->bos.capabilities,
              ElementsAre(block("07 10 02 02 00 00 00"), block("0a 10 03 00 0e 00 01 0a ff 07")));
}

TEST(BuildBos, GivesBackTheBytes) {
  EXPECT_EQ(build_bos(parse_bos(block(kSuperSpeedBos))->bos), block(kSuperSpeedBos));
}

TEST(BuildBos, CountsForItself) {
  EXPECT_EQ(hex_bytes(build_bos({.descriptor = {}, .capabilities = {block("03 10 0b")}})),
            "05 0f 08 00 01 03 10 0b");
}

TEST(ParseBos, RefusesWhatIsNoBos) {
  EXPECT_FALSE(parse_bos({}).has_value());
  EXPECT_FALSE(parse_bos(block("05 0f 05 00")).has_value());
  EXPECT_FALSE(parse_bos(block("04 0f 05 00 00")).has_value());
  EXPECT_FALSE(parse_bos(block("05 02 05 00 00")).has_value());
  EXPECT_FALSE(parse_bos(block("06 0f 05 00 00")).has_value());
}

TEST(ParseBos, NotesLengthsAndCountsThatAreWrong) {
  const auto parsed = parse_bos(block("05 0f 40 00 09  03 10 0b  00 10"));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_THAT(parsed->bos.capabilities, SizeIs(1));
  EXPECT_THAT(parsed->findings,
              ElementsAre(Finding{2, "wTotalLength is 64 but there are 10 bytes"},
                          Finding{8, "bLength is 0, less than a header; the rest is not read"},
                          Finding{4, "bNumDeviceCaps is 9 but there are 1"}));
}

TEST(ParseBos, NotesWhatIsNoCapability) {
  const auto parsed = parse_bos(block("05 0f 0a 00 02  03 24 0b  02 10"));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_THAT(parsed->bos.capabilities, SizeIs(2));
  EXPECT_THAT(parsed->findings,
              ElementsAre(Finding{5, "descriptor type 0x24 is no device capability"},
                          Finding{8, "device capability without bDevCapabilityType"}));
}

TEST(ParseBos, KeepsNoMoreCapabilitiesThanAByteCounts) {
  ByteWriter out;
  out.put(BosDescriptor{.wTotalLength = 5 + 3 * 400, .bNumDeviceCaps = 255});
  for (int i = 0; i < 400; ++i) out.put_bytes(block("03 10 0b"));
  const auto parsed = parse_bos(out.bytes());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_THAT(parsed->bos.capabilities, SizeIs(kMaxCapabilities));
}

}  // namespace
}  // namespace periprox::usb
