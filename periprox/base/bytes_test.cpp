#include "periprox/base/bytes.hpp"

#include <gmock/gmock.h>

#include "periprox/base/endian.hpp"

namespace periprox {
namespace {

using ::testing::ElementsAre;

struct Pair {
  std::uint8_t first;
  be16 second;
};

TEST(ByteReader, TakesStructsOneAfterTheOther) {
  const auto bytes = bytes_of_text("\x01\x02\x03\x04\x05\x06");
  ByteReader reader(bytes);
  const auto a = reader.take<Pair>();
  const auto b = reader.take<Pair>();
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->second, 0x0203);
  EXPECT_EQ(b->first, 4);
  EXPECT_EQ(reader.left(), 0U);
  EXPECT_EQ(reader.offset(), 6U);
}

TEST(ByteReader, TakesNothingWhenTooFewBytesAreLeft) {
  const auto bytes = bytes_of_text("\x01\x02");
  ByteReader reader(bytes);
  EXPECT_FALSE(reader.take<Pair>().has_value());
  EXPECT_FALSE(reader.take_bytes(3).has_value());
  EXPECT_EQ(reader.offset(), 0U);
  EXPECT_EQ(reader.left(), 2U);
}

TEST(ByteReader, TakesBytesAsAViewOfTheOriginal) {
  const auto bytes = bytes_of_text("abcd");
  ByteReader reader(bytes);
  (void)reader.take_bytes(1);
  const auto view = reader.take_bytes(2);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->data(), bytes.data() + 1);
  EXPECT_EQ(view->size(), 2U);
}

TEST(ByteReader, TakesNoBytesAtTheEndWhenNoneAreWanted) {
  ByteReader reader{Bytes{}};
  const auto view = reader.take_bytes(0);
  ASSERT_TRUE(view.has_value());
  EXPECT_TRUE(view->empty());
}

TEST(ByteReader, RefusesACountThatWouldWrapAround) {
  ByteReader reader(bytes_of_text("abcd"));
  (void)reader.take_bytes(2);
  EXPECT_FALSE(reader.take_bytes(static_cast<std::size_t>(-1)).has_value());
}

TEST(ReadAs, ReadsTheFrontAndIgnoresTheRest) {
  const auto value = read_as<be16>(bytes_of_text("\x12\x34\x56"));
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(*value, 0x1234);
}

TEST(ReadAs, IsEmptyForTooFewBytes) {
  EXPECT_FALSE(read_as<be16>(bytes_of_text("\x12")).has_value());
  EXPECT_FALSE(read_as<be16>({}).has_value());
}

TEST(ByteWriter, AppendsStructsAndBytes) {
  ByteWriter writer;
  writer.put(be16(0x0102));
  writer.put_bytes(bytes_of_text("x"));
  writer.put(std::uint8_t{3});
  EXPECT_THAT(writer.bytes(),
              ElementsAre(std::byte{1}, std::byte{2}, std::byte{'x'}, std::byte{3}));
}

TEST(ByteWriter, HandsItsBytesOver) {
  ByteWriter writer;
  writer.put(std::uint8_t{7});
  EXPECT_THAT(writer.release(), ElementsAre(std::byte{7}));
}

TEST(BytesOf, ViewsTheValueItself) {
  const std::uint32_t value = 0;
  EXPECT_EQ(static_cast<const void*>(bytes_of(value).data()), &value);
  EXPECT_EQ(bytes_of(value).size(), 4U);
}

}  // namespace
}  // namespace periprox
