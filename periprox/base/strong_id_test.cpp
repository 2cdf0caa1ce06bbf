#include "periprox/base/strong_id.hpp"

#include <type_traits>
#include <unordered_set>

#include <gtest/gtest.h>

namespace periprox {
namespace {

using PortId = StrongId<struct PortTag, int>;
using SlotId = StrongId<struct SlotTag, int>;

TEST(StrongId, ComparesWithItsOwnKind) {
  EXPECT_EQ(PortId(1), PortId(1));
  EXPECT_NE(PortId(1), PortId(2));
  EXPECT_LT(PortId(1), PortId(2));
  EXPECT_EQ(PortId{}.value(), 0);
}

template <typename A, typename B>
concept Comparable = requires(A a, B b) {
  a == b;
};

TEST(StrongId, DoesNotMixWithOtherIdsNorPlainNumbers) {
  static_assert(Comparable<PortId, PortId>);
  static_assert(!Comparable<PortId, SlotId>);
  static_assert(!Comparable<PortId, int>);
  static_assert(!std::is_convertible_v<int, PortId>);
  static_assert(!std::is_convertible_v<PortId, int>);
}

TEST(StrongId, IsAKeyOfHashedContainers) {
  std::unordered_set<PortId> ids{PortId(1), PortId(2), PortId(1)};
  EXPECT_EQ(ids.size(), 2U);
  EXPECT_TRUE(ids.contains(PortId(2)));
}

}  // namespace
}  // namespace periprox
