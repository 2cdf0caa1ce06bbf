#include "periprox/base/ring_queue.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace periprox {
namespace {

TEST(RingQueue, IsEmptyAtFirst) {
  const RingQueue<int> queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(), 0U);
}

TEST(RingQueue, GivesBackInOrder) {
  RingQueue<int> queue;
  queue.push(1);
  queue.push(2);
  queue.push(3);
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), 3);
  EXPECT_TRUE(queue.empty());
}

TEST(RingQueue, KeepsItsOrderWhenItGrowsWhileWrapped) {
  RingQueue<int> queue;
  for (int i = 0; i < 8; ++i) queue.push(i);
  for (int i = 0; i < 5; ++i) (void)queue.pop();
  for (int i = 8; i < 30; ++i) queue.push(i);
  ASSERT_EQ(queue.size(), 25U);
  for (int i = 5; i < 30; ++i) EXPECT_EQ(queue.pop(), i);
}

TEST(RingQueue, ReachesEveryPlaceFromTheFront) {
  RingQueue<int> queue;
  for (int i = 0; i < 8; ++i) queue.push(i);
  for (int i = 0; i < 6; ++i) (void)queue.pop();
  queue.push(8);
  queue.push(9);
  EXPECT_EQ(queue.front(), 6);
  EXPECT_EQ(queue[1], 7);
  EXPECT_EQ(queue[2], 8);
  EXPECT_EQ(queue.back(), 9);
}

TEST(RingQueue, TakesValuesThatOnlyMove) {
  RingQueue<std::unique_ptr<int>> queue;
  queue.push(std::make_unique<int>(4));
  EXPECT_EQ(*queue.front(), 4);
  EXPECT_EQ(*queue.pop(), 4);
}

TEST(RingQueue, LetsGoOfWhatWasPopped) {
  RingQueue<std::shared_ptr<int>> queue;
  const auto value = std::make_shared<int>(1);
  queue.push(value);
  EXPECT_EQ(value.use_count(), 2);
  (void)queue.pop();
  EXPECT_EQ(value.use_count(), 1);
}

TEST(RingQueue, ReturnsThePlaceOfWhatWasPushed) {
  RingQueue<int> queue;
  queue.push(1) = 5;
  EXPECT_EQ(queue.front(), 5);
}

TEST(RingQueue, LeavesInAPlaceWhatItsOwnerLeftThere) {
  RingQueue<std::string> queue;
  for (int i = 0; i < 8; ++i) queue.push("full");
  queue.front() = "kept";
  queue.drop_front();
  EXPECT_EQ(queue.size(), 7U);
  EXPECT_EQ(queue.emplace(), "kept");
  EXPECT_EQ(queue.back(), "kept");
}

}  // namespace
}  // namespace periprox
