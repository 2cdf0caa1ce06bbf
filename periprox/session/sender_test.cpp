#include "periprox/session/sender.hpp"

#include <gtest/gtest.h>

#include <array>

#include "periprox/session/testing.hpp"

namespace periprox::session {
namespace {

using testing::append;
using testing::ByteVector;
using testing::pattern;

/// Writes at most `step` bytes at a time until nothing is left.
ByteVector drain(Sender& sender, std::size_t step = testing::kAnySize) {
  ByteVector all;
  std::array<Bytes, 4> segments;
  while (const auto count = sender.gather(segments)) {
    std::size_t taken = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto part = segments[i].first(std::min(segments[i].size(), step - taken));
      append(all, part);
      taken += part.size();
    }
    sender.written(taken);
  }
  return all;
}

Payload payload_of(PayloadPool& pool, const ByteVector& bytes) {
  auto payload = pool.allocate(static_cast<std::uint32_t>(bytes.size()));
  std::memcpy(payload.data(), bytes.data(), bytes.size());
  return payload;
}

TEST(Sender, HasNothingAtFirst) {
  Sender sender;
  std::array<Bytes, 4> segments;
  EXPECT_EQ(sender.gather(segments), 0U);
  EXPECT_EQ(sender.queued(), 0U);
}

TEST(Sender, PutsSmallThingsTogetherIntoOneSegment) {
  Sender sender;
  sender.put(pattern(48, 1));
  sender.put(pattern(48, 2));
  std::array<Bytes, 4> segments;
  ASSERT_EQ(sender.gather(segments), 1U);
  EXPECT_EQ(segments[0].size(), 96U);
}

TEST(Sender, WritesALargePayloadFromWhereItLies) {
  PayloadPool pool;
  Sender sender;
  auto payload = payload_of(pool, pattern(10'000));
  const auto* data = payload.data();
  sender.put(pattern(48));
  sender.put_payload(std::move(payload), 10'000);
  std::array<Bytes, 4> segments;
  ASSERT_EQ(sender.gather(segments), 2U);
  EXPECT_EQ(segments[1].data(), data);
  EXPECT_EQ(segments[1].size(), 10'000U);
}

TEST(Sender, KeepsALargePayloadUntilItIsWritten) {
  PayloadPool pool;
  Sender sender;
  sender.put_payload(payload_of(pool, pattern(10'000)), 10'000);
  sender.written(9'999);
  EXPECT_GT(pool.bytes_in_use(), 0U);
  sender.written(1);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(Sender, GivesASmallPayloadBackAtOnce) {
  PayloadPool pool;
  Sender sender;
  sender.put_payload(payload_of(pool, pattern(100)), 100);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  EXPECT_EQ(drain(sender), pattern(100));
}

TEST(Sender, WritesNothingOfAPayloadWithoutData) {
  PayloadPool pool;
  Sender sender;
  sender.put_payload(payload_of(pool, pattern(100)), 0);
  EXPECT_EQ(sender.queued(), 0U);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(Sender, CountsAMostlyEmptyPayloadWhole) {
  PayloadPool pool;
  Sender sender;
  sender.put_payload(payload_of(pool, pattern(1 << 20)), 5'000);
  EXPECT_EQ(sender.queued(), 5'000U);
  EXPECT_EQ(sender.memory(), std::size_t{1} << 20);
  drain(sender);
  EXPECT_EQ(sender.memory(), 0U);
}

ByteVector mixed_stream(Sender& sender, PayloadPool& pool) {
  ByteVector expected;
  for (std::uint32_t i = 0; i < 400; ++i) {
    const auto header = pattern(48, i);
    sender.put(header);
    append(expected, header);
    const auto payload = pattern(i % 7 == 0 ? 9'000 + i : i * 5, i + 1000);
    if (!payload.empty()) sender.put_payload(payload_of(pool, payload), payload.size());
    append(expected, payload);
  }
  return expected;
}

TEST(Sender, KeepsTheOrderOfHeadersAndPayloads) {
  PayloadPool pool;
  Sender sender;
  const auto expected = mixed_stream(sender, pool);
  EXPECT_EQ(sender.queued(), expected.size());
  EXPECT_EQ(drain(sender), expected);
  EXPECT_EQ(sender.queued(), 0U);
  EXPECT_EQ(sender.memory(), 0U);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(Sender, KeepsTheOrderWhenFewBytesAreWrittenAtATime) {
  PayloadPool pool;
  Sender sender;
  const auto expected = mixed_stream(sender, pool);
  EXPECT_EQ(drain(sender, 17), expected);
}

TEST(Sender, KeepsTheOrderWhileWritingAndPuttingTakeTurns) {
  PayloadPool pool;
  Sender sender;
  ByteVector expected;
  ByteVector all;
  std::array<Bytes, 1> segment;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    const auto bytes = pattern(i % 97, i);
    sender.put(bytes);
    append(expected, bytes);
    if (sender.gather(segment) == 1) {
      const auto part = segment[0].first(std::min<std::size_t>(segment[0].size(), 40));
      append(all, part);
      sender.written(part.size());
    }
  }
  append(all, drain(sender));
  EXPECT_EQ(all, expected);
}

TEST(Sender, TakesMoreThanOneBlockAtOnce) {
  Sender sender;
  const auto bytes = pattern(100'000);
  sender.put(bytes);
  EXPECT_EQ(drain(sender), bytes);
}

TEST(Sender, ForgetsEverythingWhenCleared) {
  PayloadPool pool;
  Sender sender;
  mixed_stream(sender, pool);
  sender.clear();
  EXPECT_EQ(sender.queued(), 0U);
  EXPECT_EQ(sender.memory(), 0U);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  sender.put(pattern(10));
  EXPECT_EQ(drain(sender), pattern(10));
}

}  // namespace
}  // namespace periprox::session
