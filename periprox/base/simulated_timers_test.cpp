#include "periprox/base/simulated_timers.hpp"

#include <vector>

#include <gmock/gmock.h>

namespace periprox {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SimulatedTimersTest : public ::testing::Test {
 protected:
  TimerId note_at(Duration when, int mark) {
    return timers.call_at(start + when, [this, mark] { marks.push_back(mark); });
  }

  SimulatedTimers timers;
  TimePoint start = timers.now();
  std::vector<int> marks;
};

TEST_F(SimulatedTimersTest, MoveOnlyWhenAdvanced) {
  note_at(milliseconds(0), 1);
  EXPECT_THAT(marks, IsEmpty());
  EXPECT_EQ(timers.now(), start);
  timers.advance(milliseconds(0));
  EXPECT_THAT(marks, ElementsAre(1));
}

TEST_F(SimulatedTimersTest, CallInOrderOfTime) {
  note_at(milliseconds(30), 3);
  note_at(milliseconds(10), 1);
  note_at(milliseconds(20), 2);
  timers.advance(milliseconds(30));
  EXPECT_THAT(marks, ElementsAre(1, 2, 3));
}

TEST_F(SimulatedTimersTest, CallInOrderOfAskingWhenDueTogether) {
  note_at(milliseconds(10), 1);
  note_at(milliseconds(10), 2);
  note_at(milliseconds(10), 3);
  timers.advance(milliseconds(10));
  EXPECT_THAT(marks, ElementsAre(1, 2, 3));
}

TEST_F(SimulatedTimersTest, LeaveLaterCallsWaiting) {
  note_at(milliseconds(11), 1);
  timers.advance(milliseconds(10));
  EXPECT_THAT(marks, IsEmpty());
  EXPECT_EQ(timers.pending(), 1U);
  EXPECT_EQ(timers.next(), start + milliseconds(11));
}

TEST_F(SimulatedTimersTest, ShowEachCallItsOwnInstant) {
  TimePoint seen{};
  timers.call_at(start + milliseconds(10), [&] { seen = timers.now(); });
  timers.advance(milliseconds(100));
  EXPECT_EQ(seen, start + milliseconds(10));
  EXPECT_EQ(timers.now(), start + milliseconds(100));
}

TEST_F(SimulatedTimersTest, ForgetCancelledCalls) {
  const auto timer = note_at(milliseconds(10), 1);
  note_at(milliseconds(10), 2);
  timers.cancel(timer);
  timers.advance(milliseconds(10));
  EXPECT_THAT(marks, ElementsAre(2));
}

TEST_F(SimulatedTimersTest, IgnoreTheCancelOfACallThatWasMade) {
  const auto timer = note_at(milliseconds(1), 1);
  timers.advance(milliseconds(1));
  note_at(milliseconds(2), 2);
  timers.cancel(timer);
  timers.cancel(TimerId(999));
  timers.advance(milliseconds(1));
  EXPECT_THAT(marks, ElementsAre(1, 2));
}

TEST_F(SimulatedTimersTest, MakeCallsThatCallsAskFor) {
  timers.call_at(start + milliseconds(10), [this] { note_at(milliseconds(15), 2); });
  timers.advance(milliseconds(20));
  EXPECT_THAT(marks, ElementsAre(2));
}

TEST_F(SimulatedTimersTest, LetACallCancelAnotherThatIsDueWithIt) {
  TimerId second;
  timers.call_at(start + milliseconds(10), [&] { timers.cancel(second); });
  second = note_at(milliseconds(10), 2);
  timers.advance(milliseconds(10));
  EXPECT_THAT(marks, IsEmpty());
}

TEST_F(SimulatedTimersTest, NeverGoBackForACallInThePast) {
  timers.advance(milliseconds(10));
  note_at(milliseconds(5), 1);
  timers.advance(milliseconds(0));
  EXPECT_THAT(marks, ElementsAre(1));
  EXPECT_EQ(timers.now(), start + milliseconds(10));
}

TEST_F(SimulatedTimersTest, GiveIdsThatAreNeverTheOneForNone) {
  EXPECT_NE(note_at(milliseconds(1), 1), TimerId{});
}

}  // namespace
}  // namespace periprox
