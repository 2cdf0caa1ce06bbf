#include "periprox/session/ring_arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "periprox/session/ring_testing.hpp"

namespace periprox::session::testing {
namespace {

class RingArenaTest : public ::testing::Test {
 protected:
  RingMemory memory = make_ring_memory();
  ring::Layout layout = test_layout(memory);
  RingArena arena{memory, layout};

  [[nodiscard]] bool lies_inside(const Payload& payload) const {
    return layout.arena_holds(arena.offset_of(payload), payload.capacity());
  }
};

TEST_F(RingArenaTest, GivesOutWhatItWasAskedFor) {
  const auto payload = arena.allocate(700);
  ASSERT_TRUE(payload);
  EXPECT_GE(payload.capacity(), 700U);
  EXPECT_TRUE(lies_inside(payload));
  EXPECT_TRUE(arena.owns(payload));
}

TEST_F(RingArenaTest, GivesNothingForNothing) { EXPECT_FALSE(arena.allocate(0)); }

TEST_F(RingArenaTest, NeverGivesTheSameBytesTwice) {
  std::vector<Payload> payloads;
  std::vector<bool> taken(layout.arena_size);
  for (std::uint32_t size = 1; auto payload = arena.allocate(size); size = size * 7 % 50'021) {
    const auto first = taken.begin() + static_cast<std::ptrdiff_t>(arena.offset_of(payload));
    ASSERT_TRUE(lies_inside(payload));
    ASSERT_EQ(std::count(first, first + payload.capacity(), true), 0);
    std::fill_n(first, payload.capacity(), true);
    payloads.push_back(std::move(payload));
  }
  EXPECT_GT(payloads.size(), 10U);
}

TEST_F(RingArenaTest, CanBeGivenOutWholeAgainAfterPiecesWere) {
  {
    std::vector<Payload> pieces;
    while (auto piece = arena.allocate(512)) pieces.push_back(std::move(piece));
    EXPECT_EQ(pieces.size(), layout.arena_size / 512);
    EXPECT_FALSE(arena.allocate(1));
  }
  EXPECT_EQ(arena.bytes_in_use(), 0U);
  EXPECT_TRUE(arena.allocate(static_cast<std::uint32_t>(kTestArena / 2)));
}

TEST_F(RingArenaTest, RefusesMoreThanThereIs) {
  EXPECT_FALSE(arena.allocate(static_cast<std::uint32_t>(layout.arena_size + 1)));
  EXPECT_FALSE(arena.allocate(0xffffffffU));
  EXPECT_EQ(arena.bytes_in_use(), 0U);
}

TEST_F(RingArenaTest, PayloadsOutliveItAndKeepTheMemory) {
  auto own = std::make_unique<RingArena>(memory, layout);
  auto payload = own->allocate(8192);
  own.reset();
  memory = {};
  std::memset(payload.data(), 0x5a, payload.capacity());
  EXPECT_EQ(payload.data()[8191], std::byte{0x5a});
}

TEST_F(RingArenaTest, SeveralThreadsNeverHoldTheSameBytes) {
  const auto work = [this](std::uint8_t mark) {
    for (std::uint32_t i = 1; i < 3000; ++i) {
      const auto payload = arena.allocate(i * 977 % 70'000 + 1);
      if (!payload) continue;
      std::memset(payload.data(), mark, payload.capacity());
      const auto bytes = payload.first(payload.capacity());
      const bool untouched =
          std::ranges::all_of(bytes, [mark](std::byte byte) { return byte == std::byte{mark}; });
      ASSERT_TRUE(untouched);
    }
  };
  std::thread first(work, 1);
  std::thread second(work, 2);
  work(3);
  first.join();
  second.join();
  EXPECT_EQ(arena.bytes_in_use(), 0U);
}

TEST_F(RingArenaTest, ABorrowedPieceIsThatPlace) {
  BorrowedArena borrowed(memory, layout);
  const auto owned = arena.allocate(5000);
  const auto lent = borrowed.lend(arena.offset_of(owned), 5000);
  EXPECT_EQ(lent.data(), owned.data());
  EXPECT_EQ(lent.capacity(), 5000U);
}

TEST_F(RingArenaTest, ABorrowedPieceOutlivesEverything) {
  auto borrowed = std::make_unique<BorrowedArena>(memory, layout);
  const auto lent = borrowed->lend(64, 100);
  borrowed.reset();
  memory = {};
  lent.data()[99] = std::byte{1};
  EXPECT_EQ(lent.data()[99], std::byte{1});
}

}  // namespace
}  // namespace periprox::session::testing
