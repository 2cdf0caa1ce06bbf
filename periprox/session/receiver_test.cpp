#include "periprox/session/receiver.hpp"

#include <gtest/gtest.h>

#include "periprox/session/testing.hpp"

namespace periprox::session {
namespace {

using testing::ByteVector;
using testing::pattern;

constexpr std::size_t kHeader = 48;
struct Header {
  std::array<std::byte, kHeader> bytes;
};

/// Puts bytes into the receiver's places as one read() would; returns how many went in.
std::size_t read_once(Receiver& receiver, Bytes bytes) {
  std::size_t count = 0;
  for (const auto& place : receiver.places()) {
    const auto here = std::min(place.size(), bytes.size() - count);
    if (here > 0) std::memcpy(place.data(), bytes.data() + count, here);
    count += here;
  }
  receiver.advance(count);
  return count;
}

std::size_t room(Receiver& receiver) {
  std::size_t size = 0;
  for (const auto& place : receiver.places()) size += place.size();
  return size;
}

TEST(Receiver, TakesNothingBeforeAStructIsWhole) {
  Receiver receiver(kHeader);
  const auto bytes = pattern(kHeader);
  read_once(receiver, Bytes(bytes).first(kHeader - 1));
  EXPECT_FALSE(receiver.take<Header>());
  EXPECT_EQ(receiver.staged(), kHeader - 1);
}

TEST(Receiver, TakesAStructThatArrivedByteByByte) {
  Receiver receiver(kHeader);
  const auto bytes = pattern(kHeader);
  for (const auto& byte : bytes) read_once(receiver, {&byte, 1});
  const auto header = receiver.take<Header>();
  ASSERT_TRUE(header);
  EXPECT_TRUE(std::ranges::equal(header->bytes, bytes));
}

TEST(Receiver, GivesAStructWhereItLies) {
  Receiver receiver(kHeader);
  const auto bytes = pattern(2 * kHeader);
  read_once(receiver, Bytes(bytes).first(2 * kHeader - 1));
  const auto* const header = receiver.take_in_place<Header>();
  ASSERT_NE(header, nullptr);
  EXPECT_TRUE(std::ranges::equal(header->bytes, Bytes(bytes).first(kHeader)));
  EXPECT_EQ(receiver.take_in_place<Header>(), nullptr);
  EXPECT_EQ(receiver.offset(), kHeader);
}

TEST(Receiver, CountsWhatWasTaken) {
  Receiver receiver(kHeader);
  read_once(receiver, pattern(100));
  ASSERT_TRUE(receiver.take<Header>());
  EXPECT_EQ(receiver.offset(), kHeader);
  EXPECT_EQ(receiver.staged(), 52U);
}

TEST(Receiver, ReadsSeveralSmallMessagesAtOnce) {
  Receiver receiver(kHeader);
  const auto bytes = pattern(10 * kHeader);
  EXPECT_EQ(read_once(receiver, bytes), bytes.size());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(receiver.take<Header>());
  EXPECT_FALSE(receiver.take<Header>());
}

TEST(Receiver, FillsATargetFromWhatIsStaged) {
  Receiver receiver(kHeader);
  const auto bytes = pattern(100);
  read_once(receiver, bytes);
  ByteVector target(100);
  receiver.fill(target);
  EXPECT_TRUE(receiver.filled());
  EXPECT_EQ(target, bytes);
  EXPECT_EQ(receiver.staged(), 0U);
}

TEST(Receiver, LetsTheLinkReadStraightIntoALargeTarget) {
  Receiver receiver(kHeader);
  ByteVector target(100'000);
  receiver.fill(target);
  EXPECT_EQ(receiver.places().front().data(), target.data());
  EXPECT_EQ(receiver.places().front().size(), target.size());
}

TEST(Receiver, OffersOnlyOneHeaderBehindALargeTarget) {
  Receiver receiver(kHeader);
  ByteVector target(100'000);
  receiver.fill(target);
  const auto places = receiver.places();
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[1].size(), kHeader);
}

TEST(Receiver, OffersOnlyOneHeaderAfterALargeTargetIsFull) {
  Receiver receiver(kHeader);
  ByteVector target(100'000);
  receiver.fill(target);
  read_once(receiver, pattern(100'000));
  ASSERT_TRUE(receiver.filled());
  EXPECT_EQ(room(receiver), kHeader);
}

TEST(Receiver, OffersMoreAgainAfterAMessageWithoutPayload) {
  Receiver receiver(kHeader);
  ByteVector target(100'000);
  receiver.fill(target);
  read_once(receiver, pattern(100'000));
  receiver.fill({});
  EXPECT_GE(room(receiver), Receiver::kSmallStage);
}

TEST(Receiver, OffersTheRestOfAHeaderThatIsHalfThere) {
  Receiver receiver(kHeader);
  ByteVector target(100'000);
  receiver.fill(target);
  read_once(receiver, pattern(100'020));
  EXPECT_EQ(receiver.staged(), 20U);
  EXPECT_EQ(room(receiver), kHeader - 20);
}

TEST(Receiver, OffersASmallTargetAndMuchMore) {
  Receiver receiver(kHeader);
  ByteVector target(31);
  receiver.fill(target);
  const auto places = receiver.places();
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[0].size(), 31U);
  EXPECT_GE(places[1].size(), Receiver::kSmallStage);
}

TEST(Receiver, ReadsMoreAtATimeOnceAReadFilledTheArea) {
  Receiver receiver(kHeader);
  EXPECT_EQ(room(receiver), Receiver::kSmallStage);
  read_once(receiver, pattern(Receiver::kSmallStage));
  while (receiver.take<Header>()) {
  }
  EXPECT_GE(room(receiver), Receiver::kLargeStage - kHeader);
}

TEST(Receiver, StaysBelowTheMemoryOfAnIdleSession) {
  EXPECT_LT(Receiver::kLargeStage, std::size_t{64} * 1024);
}

TEST(Receiver, FillsTargetPartlyStagedPartlyRead) {
  Receiver receiver(kHeader);
  const auto bytes = pattern(5000);
  read_once(receiver, Bytes(bytes).first(700));
  ByteVector target(5000);
  receiver.fill(target);
  EXPECT_FALSE(receiver.filled());
  EXPECT_EQ(receiver.offset(), 700U);
  read_once(receiver, Bytes(bytes).subspan(700));
  EXPECT_TRUE(receiver.filled());
  EXPECT_EQ(target, bytes);
  EXPECT_EQ(receiver.offset(), 5000U);
}

TEST(Receiver, SkipsMoreThanItCanHold) {
  Receiver receiver(kHeader);
  receiver.skip(1'000'000);
  std::size_t skipped = 0;
  while (!receiver.filled())
    skipped += read_once(receiver, pattern(std::min<std::size_t>(30'000, 1'000'000 - skipped)));
  EXPECT_EQ(skipped, 1'000'000U);
  EXPECT_EQ(receiver.staged(), 0U);
}

TEST(Receiver, KeepsWhatFollowsASkip) {
  Receiver receiver(kHeader);
  receiver.skip(100);
  const auto bytes = pattern(100 + kHeader);
  read_once(receiver, bytes);
  EXPECT_TRUE(receiver.filled());
  const auto header = receiver.take<Header>();
  ASSERT_TRUE(header);
  EXPECT_TRUE(std::ranges::equal(header->bytes, Bytes(bytes).subspan(100)));
}

/// One message of a header, a payload and another header, cut once at `cut`.
void take_message_cut_at(std::size_t cut, std::size_t payload) {
  Receiver receiver(kHeader);
  const auto bytes = pattern(kHeader + payload + kHeader);
  ByteVector target(payload);
  std::vector<ByteVector> headers;
  bool filling = false;
  std::size_t given = 0;
  const auto parse = [&] {
    while (receiver.filled()) {
      const auto header = receiver.take<Header>();
      if (!header) return;
      headers.emplace_back(header->bytes.begin(), header->bytes.end());
      if (!std::exchange(filling, true)) receiver.fill(target);
    }
  };
  while (given < bytes.size()) {
    const auto limit = given < cut ? cut : bytes.size();
    given += read_once(receiver, Bytes(bytes).subspan(given, limit - given));
    parse();
  }
  ASSERT_EQ(headers.size(), 2U) << cut;
  EXPECT_TRUE(std::ranges::equal(headers[0], Bytes(bytes).first(kHeader))) << cut;
  EXPECT_TRUE(std::ranges::equal(target, Bytes(bytes).subspan(kHeader, payload))) << cut;
  EXPECT_TRUE(std::ranges::equal(headers[1], Bytes(bytes).last(kHeader))) << cut;
}

TEST(Receiver, IsRightWhereverASmallMessageIsCut) {
  for (std::size_t cut = 0; cut < kHeader + 100 + kHeader; ++cut) take_message_cut_at(cut, 100);
}

TEST(Receiver, IsRightWhereverALargeMessageIsCut) {
  for (std::size_t cut = 0; cut < kHeader + 6000 + kHeader; ++cut) take_message_cut_at(cut, 6000);
}

}  // namespace
}  // namespace periprox::session
