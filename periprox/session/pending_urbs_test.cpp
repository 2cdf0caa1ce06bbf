#include "periprox/session/pending_urbs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace periprox::session {
namespace {

using wire::usbip::Seqnum;

TEST(PendingUrbs, FindsWhatWasAdded) {
  PendingUrbs urbs;
  const auto slot = urbs.add(Seqnum(7), 100);
  ASSERT_TRUE(slot);
  EXPECT_EQ(urbs.find(Seqnum(7)), slot);
  EXPECT_EQ(urbs[*slot].seqnum, Seqnum(7));
}

TEST(PendingUrbs, FindsNothingElse) {
  PendingUrbs urbs;
  (void)urbs.add(Seqnum(7), 100);
  EXPECT_EQ(urbs.find(Seqnum(8)), std::nullopt);
}

TEST(PendingUrbs, RefusesASeqnumThatIsPending) {
  PendingUrbs urbs;
  (void)urbs.add(Seqnum(7), 100);
  EXPECT_EQ(urbs.add(Seqnum(7), 50), std::nullopt);
  EXPECT_EQ(urbs.size(), 1U);
  EXPECT_EQ(urbs.charge(), 100U);
}

TEST(PendingUrbs, SumsTheCharges) {
  PendingUrbs urbs;
  const auto first = urbs.add(Seqnum(1), 100);
  (void)urbs.add(Seqnum(2), 50);
  EXPECT_EQ(urbs.charge(), 150U);
  urbs.remove(*first);
  EXPECT_EQ(urbs.charge(), 50U);
}

TEST(PendingUrbs, TakesASeqnumAgainAfterItsEnd) {
  PendingUrbs urbs;
  urbs.remove(*urbs.add(Seqnum(7), 100));
  EXPECT_EQ(urbs.find(Seqnum(7)), std::nullopt);
  EXPECT_TRUE(urbs.add(Seqnum(7), 1));
}

TEST(PendingUrbs, ReusesAPlaceWithoutItsOldContents) {
  PendingUrbs urbs;
  const auto first = urbs.add(Seqnum(1), 100);
  urbs[*first].unlinks.push_back(Seqnum(2));
  urbs[*first].is_iso = true;
  urbs.remove(*first);
  const auto second = urbs.add(Seqnum(3), 1);
  EXPECT_EQ(second, first);
  EXPECT_TRUE(urbs[*second].unlinks.empty());
  EXPECT_FALSE(urbs[*second].is_iso);
}

TEST(PendingUrbs, ListsThePlacesInUse) {
  PendingUrbs urbs;
  const auto first = urbs.add(Seqnum(1), 1);
  const auto second = urbs.add(Seqnum(2), 1);
  const auto third = urbs.add(Seqnum(3), 1);
  urbs.remove(*second);
  EXPECT_THAT(urbs.slots(), ::testing::UnorderedElementsAre(*first, *third));
}

TEST(PendingUrbs, HoldsThousands) {
  PendingUrbs urbs;
  for (std::uint32_t i = 0; i < 20'000; ++i) ASSERT_TRUE(urbs.add(Seqnum(i * 65536 + i), 1));
  EXPECT_EQ(urbs.size(), 20'000U);
  for (std::uint32_t i = 0; i < 20'000; ++i) urbs.remove(*urbs.find(Seqnum(i * 65536 + i)));
  EXPECT_EQ(urbs.size(), 0U);
  EXPECT_EQ(urbs.charge(), 0U);
}

}  // namespace
}  // namespace periprox::session
