#include "periprox/base/endian.hpp"

#include <cstring>
#include <limits>

#include <gmock/gmock.h>

namespace periprox {
namespace {

using ::testing::ElementsAre;

template <typename T>
auto stored(T value) {
  std::array<std::uint8_t, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

TEST(Ordered, LiesHighByteFirstWhenBigEndian) {
  EXPECT_THAT(stored(be16(0x0102)), ElementsAre(0x01, 0x02));
  EXPECT_THAT(stored(be32(0x01020304)), ElementsAre(0x01, 0x02, 0x03, 0x04));
}

TEST(Ordered, LiesLowByteFirstWhenLittleEndian) {
  EXPECT_THAT(stored(le16(0x0102)), ElementsAre(0x02, 0x01));
  EXPECT_THAT(stored(le32(0x01020304)), ElementsAre(0x04, 0x03, 0x02, 0x01));
  EXPECT_THAT(stored(le64(0x0102030405060708)), ElementsAre(8, 7, 6, 5, 4, 3, 2, 1));
}

TEST(Ordered, ReadsBackWhatItWasGiven) {
  EXPECT_EQ(be16(0xfffe), 0xfffe);
  EXPECT_EQ(be32(0x80000001U), 0x80000001U);
  EXPECT_EQ(le64(0xfedcba9876543210U), 0xfedcba9876543210U);
}

TEST(Ordered, KeepsTheSignOfSignedNumbers) {
  EXPECT_EQ(sbe32(-71), -71);
  EXPECT_THAT(stored(sbe32(-2)), ElementsAre(0xff, 0xff, 0xff, 0xfe));
  EXPECT_EQ(sle32(std::numeric_limits<std::int32_t>::min()),
            std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(sle64(-1), -1);
}

TEST(Ordered, IsZeroByDefault) {
  EXPECT_EQ(be32{}, 0U);
  EXPECT_EQ(le16{}, 0U);
}

TEST(Ordered, MirrorsALayoutWithoutPadding) {
  struct Odd {
    std::uint8_t a;
    be32 b;
    le16 c;
  };
  EXPECT_EQ(sizeof(Odd), 7U);
}

TEST(Ordered, WorksAtCompileTime) {
  static_assert(be32(0x12345678) == 0x12345678);
  static_assert(sle32(-5) == -5);
}

}  // namespace
}  // namespace periprox
