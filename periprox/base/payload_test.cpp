#include "periprox/base/payload.hpp"

#include <cstring>
#include <memory>

#include <gtest/gtest.h>

namespace periprox {
namespace {

/// Remembers what came back.
struct RecordingOwner final : PayloadOwner {
  void release(std::byte* data, std::uint32_t capacity, std::uint64_t tag) noexcept override {
    ++releases;
    last_data = data;
    last_capacity = capacity;
    last_tag = tag;
  }
  int releases = 0;
  std::byte* last_data = nullptr;
  std::uint32_t last_capacity = 0;
  std::uint64_t last_tag = 0;
};

TEST(Payload, HoldsNothingByDefault) {
  const Payload payload;
  EXPECT_FALSE(payload);
  EXPECT_EQ(payload.capacity(), 0U);
  EXPECT_TRUE(payload.first(0).empty());
}

TEST(Payload, GoesBackToItsOwnerOnceWhenDropped) {
  RecordingOwner owner;
  std::byte memory[4];
  { const Payload payload(owner, memory, 4, 17); }
  EXPECT_EQ(owner.releases, 1);
  EXPECT_EQ(owner.last_data, memory);
  EXPECT_EQ(owner.last_capacity, 4U);
  EXPECT_EQ(owner.last_tag, 17U);
}

TEST(Payload, IsEmptyAfterReset) {
  RecordingOwner owner;
  std::byte memory[4];
  Payload payload(owner, memory, 4);
  payload.reset();
  payload.reset();
  EXPECT_FALSE(payload);
  EXPECT_EQ(payload.capacity(), 0U);
  EXPECT_EQ(owner.releases, 1);
}

TEST(Payload, MovesWithoutGoingBack) {
  RecordingOwner owner;
  std::byte memory[4];
  Payload first(owner, memory, 4, 5);
  const Payload second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(second.data(), memory);
  EXPECT_EQ(second.tag(), 5U);
  EXPECT_EQ(owner.releases, 0);
}

TEST(Payload, GivesBackWhatItHeldWhenAssignedTo) {
  RecordingOwner owner;
  std::byte memory[2];
  Payload first(owner, &memory[0], 1, 1);
  Payload second(owner, &memory[1], 1, 2);
  first = std::move(second);
  EXPECT_EQ(owner.releases, 1);
  EXPECT_EQ(owner.last_tag, 1U);
  EXPECT_EQ(first.data(), &memory[1]);
}

TEST(Payload, SurvivesAssignmentToItself) {
  RecordingOwner owner;
  std::byte memory[1];
  Payload payload(owner, memory, 1);
  auto& same = payload;
  payload = std::move(same);
  EXPECT_TRUE(payload);
  EXPECT_EQ(owner.releases, 0);
}

TEST(PayloadPool, GivesAtLeastWhatIsAskedFor) {
  PayloadPool pool;
  EXPECT_EQ(pool.allocate(1).capacity(), 64U);
  EXPECT_EQ(pool.allocate(64).capacity(), 64U);
  EXPECT_EQ(pool.allocate(65).capacity(), 128U);
  EXPECT_EQ(pool.allocate(1'000'000).capacity(), 1U << 20);
}

TEST(PayloadPool, GivesMemoryThatCanBeWrittenToItsEnd) {
  PayloadPool pool;
  const auto payload = pool.allocate(100);
  std::memset(payload.data(), 0x5a, payload.capacity());
  EXPECT_EQ(payload.first(128).back(), std::byte{0x5a});
}

TEST(PayloadPool, AlignsToCacheLines) {
  PayloadPool pool;
  const auto a = pool.allocate(1);
  const auto b = pool.allocate(1);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 64, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data()) % 64, 0U);
}

TEST(PayloadPool, GivesNothingForNothing) {
  PayloadPool pool;
  EXPECT_FALSE(pool.allocate(0));
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(PayloadPool, RefusesMoreThanItsLargestClass) {
  PayloadPool pool;
  EXPECT_FALSE(pool.allocate((1U << 30) + 1));
  EXPECT_FALSE(pool.allocate(0xffffffffU));
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(PayloadPool, ReusesReturnedMemoryOfTheSameClass) {
  PayloadPool pool;
  auto payload = pool.allocate(1000);
  const auto* data = payload.data();
  payload.reset();
  EXPECT_EQ(pool.allocate(513).data(), data);
}

TEST(PayloadPool, DoesNotHandTheSameMemoryOutTwice) {
  PayloadPool pool;
  auto a = pool.allocate(64);
  auto b = pool.allocate(64);
  a.reset();
  b.reset();
  const auto c = pool.allocate(64);
  const auto d = pool.allocate(64);
  EXPECT_NE(c.data(), d.data());
}

TEST(PayloadPool, CountsWhatIsOut) {
  PayloadPool pool;
  auto a = pool.allocate(64);
  auto b = pool.allocate(100);
  EXPECT_EQ(pool.bytes_in_use(), 192U);
  a.reset();
  EXPECT_EQ(pool.bytes_in_use(), 128U);
  b.reset();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(PayloadPool, KeepsNothingBeyondItsBound) {
  PayloadPool pool(0);
  auto payload = pool.allocate(64);
  payload.reset();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  EXPECT_TRUE(pool.allocate(64));
}

TEST(PayloadPool, MayGoBeforeItsPayloads) {
  auto pool = std::make_unique<PayloadPool>();
  auto kept = pool->allocate(64);
  auto also_kept = pool->allocate(4096);
  pool.reset();
  std::memset(kept.data(), 1, kept.capacity());
  kept.reset();
  std::memset(also_kept.data(), 1, also_kept.capacity());
  also_kept.reset();
  EXPECT_FALSE(also_kept);
}

}  // namespace
}  // namespace periprox
