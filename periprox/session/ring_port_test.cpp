#include "periprox/session/ring_port.hpp"

#include <gtest/gtest.h>

#include "periprox/session/ring_testing.hpp"

namespace periprox::session::testing {
namespace {

class RingPortTest : public ::testing::Test {
 protected:
  RingMemory memory = make_ring_memory();
  ring::Layout layout = test_layout(memory);
  RingPort importer{memory, layout, RingPort::Side::Importer};
  RingPort exporter{memory, layout, RingPort::Side::Exporter};

  void put(std::uint32_t tag) { importer.put({.tag = tag}); }
  void fill() {
    for (std::uint32_t i = 0; i < kTestEntries; ++i) put(i);
  }
};

TEST_F(RingPortTest, CarriesEntriesInOrderBothWays) {
  put(1);
  put(2);
  exporter.put({.tag = std::uint32_t{3}});
  EXPECT_EQ(exporter.take()->tag, 1U);
  EXPECT_EQ(exporter.take()->tag, 2U);
  EXPECT_FALSE(exporter.take());
  EXPECT_EQ(importer.take()->tag, 3U);
}

TEST_F(RingPortTest, HasRoomAgainWhenTheOtherSideHasReleased) {
  fill();
  EXPECT_FALSE(importer.has_room());
  ASSERT_TRUE(exporter.take());
  EXPECT_FALSE(importer.has_room());
  exporter.release_taken();
  EXPECT_TRUE(importer.has_room());
}

TEST_F(RingPortTest, GoesOnBeyondTheEndOfTheRing) {
  for (std::uint32_t i = 0; i < 5 * kTestEntries; ++i) {
    ASSERT_TRUE(importer.has_room());
    put(i);
    ASSERT_EQ(exporter.take()->tag, i);
    exporter.release_taken();
  }
}

TEST_F(RingPortTest, RingsOnlyForASleeper) {
  put(1);
  EXPECT_FALSE(importer.must_ring_doorbell());
  EXPECT_FALSE(exporter.may_fall_asleep());
  ASSERT_TRUE(exporter.take());
  EXPECT_TRUE(exporter.may_fall_asleep());
  put(2);
  put(3);
  EXPECT_TRUE(importer.must_ring_doorbell());
  EXPECT_FALSE(importer.must_ring_doorbell());
}

TEST_F(RingPortTest, ATailMoreThanARingAheadIsAFault) {
  memory.control().submissions_in.tail = kTestEntries + 1;
  EXPECT_FALSE(exporter.take());
  EXPECT_FALSE(exporter.fault().empty());
}

TEST_F(RingPortTest, ATailThatRunsBackwardsIsAFault) {
  put(1);
  ASSERT_TRUE(exporter.take());
  memory.control().submissions_in.tail = 0;
  EXPECT_FALSE(exporter.take());
  EXPECT_FALSE(exporter.fault().empty());
}

TEST_F(RingPortTest, AHeadPastTheTailIsAFault) {
  fill();
  memory.control().submissions_out.head = kTestEntries + 1;
  EXPECT_FALSE(importer.has_room());
  EXPECT_FALSE(importer.fault().empty());
}

TEST_F(RingPortTest, AHeadThatRunsBackwardsIsAFault) {
  fill();
  memory.control().submissions_out.head = 10;
  ASSERT_TRUE(importer.has_room());
  for (std::uint32_t i = 0; i < 10; ++i) put(i);
  memory.control().submissions_out.head = 9;
  EXPECT_FALSE(importer.has_room());
  EXPECT_FALSE(importer.fault().empty());
}

TEST_F(RingPortTest, AnEntryChangedAfterwardsIsNotSeen) {
  put(1);
  const auto taken = exporter.take();
  memory.entries(layout.submissions_offset)->store({.tag = std::uint32_t{2}});
  EXPECT_EQ(taken->tag, 1U);
}

}  // namespace
}  // namespace periprox::session::testing
