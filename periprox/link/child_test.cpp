#include "periprox/link/child.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

#include "periprox/link/testing.hpp"

namespace periprox::link {
namespace {

TEST(Child, HasOneSocketAsInputAndOutput) {
  auto child = Child::start("test -S /dev/stdin && test -S /dev/stdout && cat");
  ASSERT_TRUE(child) << child.error().text();
  const auto socket = child->take_socket();
  ASSERT_EQ(::write(socket.get(), "hello", 5), 5);
  EXPECT_EQ(testing::read_all(socket.get(), 5), "hello");
}

TEST(Child, EndsTheConnectionWhenItEnds) {
  auto child = Child::start("echo over");
  ASSERT_TRUE(child) << child.error().text();
  const auto socket = child->take_socket();
  EXPECT_EQ(testing::read_all(socket.get(), 100), "over\n");
}

TEST(Child, EndsTheConnectionWhenItsCommandDoesNotExist) {
  auto child = Child::start("/no/such/program 2>/dev/null");
  ASSERT_TRUE(child) << child.error().text();
  const auto socket = child->take_socket();
  EXPECT_EQ(testing::read_all(socket.get(), 100), "");
}

TEST(Child, IsMadeToEndWhenItIgnoresBeingAsked) {
  UniqueFd socket;
  {
    auto child = Child::start("trap '' TERM; echo ready; while :; do sleep 1; done");
    ASSERT_TRUE(child) << child.error().text();
    socket = child->take_socket();
    ASSERT_EQ(testing::read_all(socket.get(), 6), "ready\n");
  }
  SUCCEED();  // The destructor came back.
}

TEST(Child, DoesNotInheritAnIgnoredBrokenPipe) {
  auto child = Child::start("kill -PIPE $$; echo survived");
  ASSERT_TRUE(child) << child.error().text();
  const auto socket = child->take_socket();
  EXPECT_EQ(testing::read_all(socket.get(), 100), "");
}

}  // namespace
}  // namespace periprox::link
