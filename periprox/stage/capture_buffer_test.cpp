#include "periprox/stage/capture_buffer.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "periprox/base/endian.hpp"

namespace periprox::stage {
namespace {

constexpr std::size_t kCapacity = 4096;

/// A block of `size` bytes that holds its number.
bool put(CaptureBuffer& buffer, std::uint32_t number, std::size_t size) {
  const auto room = buffer.reserve(size);
  if (room.empty()) return false;
  std::memset(room.data(), static_cast<int>(number & 0xff), size);
  const le32 head(number);
  std::memcpy(room.data(), &head, sizeof(head));
  buffer.commit();
  return true;
}

std::size_t size_of(std::uint32_t number) { return 8 + number * 37 % 1500; }

/// The blocks that are there, whole ones in their order; stops at the first that is not.
class Reader {
 public:
  explicit Reader(CaptureBuffer& buffer) : buffer_(buffer) {}
  void read() {
    for (auto blocks = buffer_.front(); !blocks.empty(); blocks = buffer_.front()) {
      const auto size = blocks.size();
      while (!blocks.empty()) {
        const auto number = read_as<le32>(blocks).value();
        ASSERT_EQ(number, next);
        const auto block = blocks.first(size_of(next));
        ASSERT_EQ(block.back(), static_cast<std::byte>(next & 0xff));
        blocks = blocks.subspan(block.size());
        ++next;
      }
      buffer_.consume(size);
    }
  }
  std::uint32_t next = 0;

 private:
  CaptureBuffer& buffer_;
};

TEST(CaptureBuffer, GivesBackWhatWasWrittenOverManyLaps) {
  CaptureBuffer buffer(kCapacity);
  Reader reader(buffer);
  for (std::uint32_t number = 0; number < 1000; ++number) {
    while (!put(buffer, number, size_of(number))) reader.read();
    if (number % 3 == 0) reader.read();
  }
  reader.read();
  EXPECT_EQ(reader.next, 1000U);
}

TEST(CaptureBuffer, BeginsAgainAtItsFrontWhenAllIsRead) {
  CaptureBuffer buffer(std::size_t{1} << 20);
  Reader reader(buffer);
  const auto* front = buffer.reserve(8).data();
  const std::byte* last = nullptr;
  for (std::uint32_t number = 0; last != front && number < 1000; ++number) {
    last = buffer.reserve(size_of(number)).data();
    ASSERT_TRUE(put(buffer, number, size_of(number)));
    reader.read();
    ASSERT_EQ(reader.next, number + 1);
    if (number == 0) last = nullptr;
  }
  EXPECT_EQ(last, front);  // Long before the lap of 1 MiB is over: 1000 blocks have 758 KiB.
}

TEST(CaptureBuffer, HasAllItsRoomAfterBeginningAgain) {
  constexpr std::size_t kLarge = std::size_t{1} << 20;
  CaptureBuffer buffer(kLarge);
  for (int lap = 0; lap < 20; ++lap) {
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(put(buffer, 0, kLarge / 8)) << lap << " " << i;
    ASSERT_FALSE(put(buffer, 0, 8));
    for (auto blocks = buffer.front(); !blocks.empty(); blocks = buffer.front())
      buffer.consume(blocks.size());
    ASSERT_TRUE(put(buffer, 0, 100'000));
    buffer.consume(buffer.front().size());
  }
}

TEST(CaptureBuffer, ForgetsTheGapBeforeABlockThatNeverCame) {
  constexpr std::size_t kLarge = std::size_t{1} << 17;
  CaptureBuffer buffer(kLarge);
  ASSERT_TRUE(put(buffer, 0, kLarge / 2));
  buffer.consume(kLarge / 2);
  ASSERT_TRUE(put(buffer, 1, kLarge / 2));  // From the front again.
  ASSERT_TRUE(put(buffer, 2, kLarge / 2 - 64));
  buffer.consume(buffer.front().size() / 2);
  ASSERT_FALSE(buffer.reserve(128).empty());  // Behind a gap; not committed.
  buffer.consume(buffer.front().size());
  ASSERT_TRUE(put(buffer, 3, 128));
  const auto blocks = buffer.front();
  ASSERT_EQ(blocks.size(), 128U);
  EXPECT_EQ(read_as<le32>(blocks).value(), 3U);
}

TEST(CaptureBuffer, HasNoRoomWhenItIsFull) {
  CaptureBuffer buffer(kCapacity);
  EXPECT_TRUE(put(buffer, 0, kCapacity / 2));
  EXPECT_TRUE(put(buffer, 1, kCapacity / 2));
  EXPECT_FALSE(put(buffer, 2, 8));
  EXPECT_EQ(buffer.front().size(), kCapacity);
  buffer.consume(kCapacity / 2);
  EXPECT_TRUE(put(buffer, 2, 8));
}

TEST(CaptureBuffer, GivesBackWhatAnotherThreadWrites) {
  constexpr std::uint32_t kBlocks = 20'000;
  CaptureBuffer buffer(std::size_t{1} << 17);  // Begins again at times, is full at times.
  std::thread writer([&buffer] {
    for (std::uint32_t number = 0; number < kBlocks;) {
      if (put(buffer, number, size_of(number))) {
        ++number;
      } else {
        std::this_thread::yield();
      }
    }
    buffer.stop();
  });
  Reader reader(buffer);
  while (buffer.wait(0)) reader.read();
  writer.join();
  EXPECT_EQ(reader.next, kBlocks);
}

TEST(CaptureBuffer, WakesItsReaderForANewInterface) {
  CaptureBuffer buffer(kCapacity);
  buffer.add_interface({.name = "test"});
  buffer.add_head({});
  EXPECT_TRUE(buffer.wait(0));
  buffer.stop();
  EXPECT_FALSE(buffer.wait(buffer.heads(0).size()));
}

}  // namespace
}  // namespace periprox::stage
