#include "periprox/stage/circuit_breaker.hpp"

#include <gtest/gtest.h>

namespace periprox::stage {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;
using usb::Status;

class CircuitBreakerTest : public ::testing::Test {
 protected:
  /// One URB of the endpoint, if it is admitted.
  bool pass(Status status, std::size_t place = 0) {
    if (!breaker.admits(now, place)) return false;
    breaker.learn(now, place, status);
    return true;
  }
  void fail_four_times() {
    for (int i = 0; i < 4; ++i) pass(Status::ProtocolError);
  }

  TimePoint now{1h};
  CircuitBreaker breaker{parse_limit_rule("breaker=50%,least=4,within=10s,pause=5s").value()};
};

TEST_F(CircuitBreakerTest, StaysClosedBelowItsShare) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(pass(Status::Ok));
    EXPECT_TRUE(pass(Status::Ok));
    EXPECT_TRUE(pass(Status::ProtocolError));
  }
  EXPECT_EQ(breaker.state(), State::Closed);
}

TEST_F(CircuitBreakerTest, StaysClosedUntilEnoughWasSeen) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pass(Status::ProtocolError));
  EXPECT_EQ(breaker.state(), State::Closed);
}

TEST_F(CircuitBreakerTest, OpensWhenTheShareFails) {
  fail_four_times();
  EXPECT_EQ(breaker.state(), State::Open);
  EXPECT_FALSE(pass(Status::Ok));
  EXPECT_EQ(breaker.text(), "4 of its last 4 transfers failed; it is left alone for 5.0 s");
}

TEST_F(CircuitBreakerTest, DoesNotCountStallsAndCancelsAsFailures) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(pass(Status::Stalled));
    EXPECT_TRUE(pass(Status::Cancelled));
    EXPECT_TRUE(pass(Status::Killed));
  }
  EXPECT_EQ(breaker.state(), State::Closed);
}

TEST_F(CircuitBreakerTest, ForgetsWhatIsOlderThanItsWindow) {
  for (int i = 0; i < 3; ++i) pass(Status::ProtocolError);
  now += 10s;
  pass(Status::ProtocolError);
  EXPECT_EQ(breaker.state(), State::Closed);
}

TEST_F(CircuitBreakerTest, RemembersTheHalfBefore) {
  for (int i = 0; i < 3; ++i) pass(Status::ProtocolError);
  now += 6s;
  pass(Status::ProtocolError);
  EXPECT_EQ(breaker.state(), State::Open);
}

TEST_F(CircuitBreakerTest, LetsOneOfEachEndpointTryAfterThePause) {
  fail_four_times();
  now += 5s;
  EXPECT_TRUE(breaker.admits(now, 1));
  EXPECT_FALSE(breaker.admits(now, 1));
  EXPECT_TRUE(breaker.admits(now, 2));
  EXPECT_EQ(breaker.state(), State::HalfOpen);
}

TEST_F(CircuitBreakerTest, ClosesWhenATrySucceeds) {
  fail_four_times();
  now += 5s;
  ASSERT_TRUE(breaker.admits(now, 1));
  EXPECT_TRUE(breaker.learn(now, 1, Status::Ok));
  EXPECT_EQ(breaker.state(), State::Closed);
  EXPECT_EQ(breaker.text(), "it works again; everything passes");
  EXPECT_TRUE(pass(Status::ProtocolError));  // Counts from the beginning.
  EXPECT_EQ(breaker.state(), State::Closed);
}

TEST_F(CircuitBreakerTest, PausesTwiceAsLongWhenATryFails) {
  fail_four_times();
  now += 5s;
  EXPECT_TRUE(pass(Status::NoResponse));
  EXPECT_EQ(breaker.state(), State::Open);
  EXPECT_EQ(breaker.text(), "it still fails; it is left alone for 10.0 s");
  now += 9s;
  EXPECT_FALSE(breaker.admits(now, 0));
  now += 1s;
  EXPECT_TRUE(breaker.admits(now, 0));
}

TEST_F(CircuitBreakerTest, NeverPausesLongerThanAMinute) {
  fail_four_times();
  for (int i = 0; i < 20; ++i) {
    now += CircuitBreaker::kLongestPause;
    ASSERT_TRUE(pass(Status::NoResponse)) << i;
  }
}

TEST_F(CircuitBreakerTest, TriesAgainWhenATryWasCancelled) {
  fail_four_times();
  now += 5s;
  ASSERT_TRUE(pass(Status::Cancelled));
  EXPECT_EQ(breaker.state(), State::HalfOpen);
  EXPECT_TRUE(breaker.admits(now, 0));
}

TEST_F(CircuitBreakerTest, LearnsNothingFromWhatWasSentBeforeItOpened) {
  fail_four_times();
  EXPECT_FALSE(breaker.learn(now, 3, Status::Ok));
  now += 5s;
  ASSERT_TRUE(breaker.admits(now, 1));
  EXPECT_FALSE(breaker.learn(now, 3, Status::Ok));
  EXPECT_EQ(breaker.state(), State::HalfOpen);
}

}  // namespace
}  // namespace periprox::stage
