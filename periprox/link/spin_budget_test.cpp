#include "periprox/link/spin_budget.hpp"

#include <gtest/gtest.h>

namespace periprox::link {
namespace {

using std::chrono::microseconds;

TEST(SpinBudget, StartsWithAllThereIs) {
  EXPECT_EQ(SpinBudget(microseconds(80)).now(), microseconds(80));
}

TEST(SpinBudget, IsNothingAfterAWaitThatSpinningDidNotCover) {
  SpinBudget budget(microseconds(80));
  budget.woken_after(microseconds(81));
  EXPECT_EQ(budget.now(), microseconds(0));
}

TEST(SpinBudget, GrowsWhileWaitsAreShort) {
  SpinBudget budget(microseconds(80));
  budget.woken_after(microseconds(500));
  budget.woken_after(microseconds(15));
  EXPECT_EQ(budget.now(), microseconds(10));
  budget.woken_after(microseconds(15));
  EXPECT_EQ(budget.now(), microseconds(20));
}

TEST(SpinBudget, NeverGrowsBeyondItsMost) {
  SpinBudget budget(microseconds(80));
  budget.woken_after(microseconds(80));
  EXPECT_EQ(budget.now(), microseconds(80));
}

TEST(SpinBudget, OfNothingStaysNothing) {
  SpinBudget budget(microseconds(0));
  budget.woken_after(microseconds(0));
  EXPECT_EQ(budget.now(), microseconds(0));
}

}  // namespace
}  // namespace periprox::link
