#include "periprox/base/unique_fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include <gtest/gtest.h>

namespace periprox {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

class UniqueFdTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::pipe(pipe_.data()), 0);
    first.reset(pipe_[0]);
    second.reset(pipe_[1]);
  }

  std::array<int, 2> pipe_{};
  UniqueFd first;
  UniqueFd second;
};

TEST_F(UniqueFdTest, ClosesWhatItHoldsWhenDropped) {
  { const UniqueFd last = std::move(first); }
  EXPECT_FALSE(is_open(pipe_[0]));
  EXPECT_TRUE(is_open(pipe_[1]));
}

TEST_F(UniqueFdTest, HoldsNothingAfterAMove) {
  const UniqueFd moved = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(first.get(), -1);
  EXPECT_EQ(moved.get(), pipe_[0]);
}

TEST_F(UniqueFdTest, ClosesWhatItHeldWhenAssignedTo) {
  first = std::move(second);
  EXPECT_FALSE(is_open(pipe_[0]));
  EXPECT_EQ(first.get(), pipe_[1]);
  EXPECT_TRUE(is_open(pipe_[1]));
}

TEST_F(UniqueFdTest, SurvivesAssignmentToItself) {
  auto& same = first;
  first = std::move(same);
  EXPECT_TRUE(is_open(pipe_[0]));
}

TEST_F(UniqueFdTest, LeavesAReleasedDescriptorOpen) {
  const int fd = first.release();
  EXPECT_FALSE(first);
  EXPECT_TRUE(is_open(fd));
  ::close(fd);
}

TEST_F(UniqueFdTest, TakesDescriptorZeroForADescriptor) {
  UniqueFd zero(0);
  EXPECT_TRUE(zero);
  (void)zero.release();
}

}  // namespace
}  // namespace periprox
