#include "periprox/stage/rate_limiter.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "periprox/base/simulated_timers.hpp"

namespace periprox::stage {
namespace {

using namespace std::chrono_literals;

/// Has so many URBs of one size to send.
class Sender final : public RateLimiter::Member {
 public:
  Sender(RateLimiter& limiter, std::uint64_t size) : limiter_(limiter), size_(size) {
    limiter_.add(*this);
  }
  ~Sender() override { limiter_.remove(*this); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void want(std::uint64_t urbs) {
    waiting += urbs;
    limiter_.serve(*this);
  }
  void send_next() override {
    --waiting;
    ++sent;
    limiter_.pay(*this, 1, size_);
  }
  [[nodiscard]] bool is_waiting() const override { return waiting > 0; }

  std::uint64_t waiting = 0;
  std::uint64_t sent = 0;

 private:
  RateLimiter& limiter_;
  std::uint64_t size_;
};

class RateLimiterTest : public ::testing::Test {
 protected:
  void make(std::initializer_list<std::string_view> texts) {
    std::vector<LimitRule> rules;
    for (const auto text : texts) rules.push_back(parse_limit_rule(text).value());
    limiter = std::make_unique<RateLimiter>(rules, timers);
  }

  SimulatedTimers timers;
  std::unique_ptr<RateLimiter> limiter;
};

TEST_F(RateLimiterTest, LetsEverythingGoBelowTheRate) {
  make({"urbs=1000"});
  Sender sender(*limiter, 0);
  for (int i = 0; i < 1000; ++i) {
    sender.want(1);
    timers.advance(1ms);
  }
  EXPECT_EQ(sender.sent, 1000U);
}

TEST_F(RateLimiterTest, SendsNoMoreThanTheRateAndOneBurst) {
  make({"urbs=1000"});
  Sender sender(*limiter, 0);
  sender.want(100'000);
  timers.advance(10s);
  EXPECT_GE(sender.sent, 10'000U);
  EXPECT_LE(sender.sent, 10'102U);
}

TEST_F(RateLimiterTest, CountsBytes) {
  make({"bytes=1M"});
  Sender sender(*limiter, 1000);
  sender.want(100'000);
  timers.advance(10s);
  EXPECT_GE(sender.sent, 10'000U);
  EXPECT_LE(sender.sent, 10'102U);
}

TEST_F(RateLimiterTest, KeepsTheStricterOfTwoLimits) {
  make({"urbs=1000", "bytes=100k"});
  Sender sender(*limiter, 1000);
  sender.want(100'000);
  timers.advance(10s);
  EXPECT_GE(sender.sent, 1000U);
  EXPECT_LE(sender.sent, 1012U);
}

TEST_F(RateLimiterTest, LetsOneGoThatIsLargerThanABurst) {
  make({"bytes=1k"});
  Sender sender(*limiter, 10'000);
  sender.want(2);
  EXPECT_EQ(sender.sent, 1U);
  timers.advance(11s);
  EXPECT_EQ(sender.sent, 2U);
}

TEST_F(RateLimiterTest, GivesEachTheSameBytesWhateverTheSizeOfTheirUrbs) {
  make({"bytes=1M"});
  Sender large(*limiter, 50'000);
  Sender small(*limiter, 500);
  large.want(1'000'000);
  small.want(1'000'000);
  timers.advance(20s);
  const auto large_bytes = static_cast<double>(large.sent * 50'000);
  const auto small_bytes = static_cast<double>(small.sent * 500);
  EXPECT_NEAR(large_bytes / small_bytes, 1, 0.05);
}

TEST_F(RateLimiterTest, GivesALateComerNoMoreThanItsShare) {
  make({"urbs=1000"});
  Sender early(*limiter, 0);
  Sender late(*limiter, 0);
  early.want(1'000'000);
  timers.advance(10s);
  const auto before = early.sent;
  late.want(1'000'000);
  timers.advance(10s);
  EXPECT_NEAR(static_cast<double>(early.sent - before), static_cast<double>(late.sent), 200);
}

TEST_F(RateLimiterTest, GivesAllToTheOnlyOneThatWants) {
  make({"urbs=1000"});
  Sender busy(*limiter, 0);
  Sender idle(*limiter, 0);
  busy.want(100'000);
  timers.advance(10s);
  EXPECT_GE(busy.sent, 10'000U);
  EXPECT_EQ(idle.sent, 0U);
}

TEST_F(RateLimiterTest, ForgetsOneThatLeavesWhileItWaits) {
  make({"urbs=10"});
  Sender stays(*limiter, 0);
  {
    Sender leaves(*limiter, 0);
    leaves.want(100);
    stays.want(5);
  }
  timers.advance(2s);
  EXPECT_EQ(stays.sent, 5U);
}

}  // namespace
}  // namespace periprox::stage
