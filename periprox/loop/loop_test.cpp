#include "periprox/loop/loop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace periprox {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

TEST(Loop, ReturnsWhenThereIsNothingToDo) {
  Loop loop;
  loop.run();
  bool ran = false;
  loop.post([&] { ran = true; });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(Loop, CallsInTheOrderOfTheirInstants) {
  Loop loop;
  std::vector<int> order;
  const auto now = loop.now();
  loop.call_at(now + 3ms, [&] { order.push_back(3); });
  loop.call_at(now + 1ms, [&] { order.push_back(1); });
  loop.call_at(now + 2ms, [&] { order.push_back(2); });
  loop.run();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(Loop, CallsOfOneInstantComeInTheOrderTheyWereAskedFor) {
  Loop loop;
  std::vector<int> order;
  const auto when = loop.now() + 1ms;
  for (int i = 0; i < 4; ++i) loop.call_at(when, [&, i] { order.push_back(i); });
  loop.run();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
}

TEST(Loop, CallsNotBeforeTheInstant) {
  Loop loop;
  const auto when = loop.now() + 5ms;
  TimePoint called{};
  loop.call_at(when, [&] { called = loop.now(); });
  loop.run();
  EXPECT_GE(called, when);
}

// The thread sanitizer sees it if the others touch the loop once it may be gone.
TEST(Loop, MayGoAsSoonAsOthersHaveEndedIt) {
  for (int round = 0; round < 100; ++round) {
    std::promise<Loop*> made;
    std::thread runner([&] {
      Loop loop;
      const Loop::Hold hold(loop);
      made.set_value(&loop);
      loop.run();
    });
    Loop& loop = *made.get_future().get();
    if (round % 2 == 0) {
      loop.stop();
    } else {
      loop.post([&loop] { loop.stop(); });
    }
    runner.join();
  }
}

TEST(Loop, MayGoAsSoonAsTheLastHoldIsLetGo) {
  for (int round = 0; round < 100; ++round) {
    std::thread holder;
    {
      Loop loop;
      holder = std::thread([hold = std::make_unique<Loop::Hold>(loop)]() mutable { hold.reset(); });
      loop.run();
    }
    holder.join();
  }
}

TEST(Deferred, IsCalledAtTheEndOfTheOutermostBatch) {
  Loop loop;
  std::vector<int> order;
  Deferred last(loop, [&] { order.push_back(4); });
  Deferred first(loop, [&] {
    order.push_back(3);
    last.ask();
  });
  {
    const Loop::Batch outer(loop);
    first.ask();
    {
      const Loop::Batch inner(loop);
      order.push_back(1);
    }
    order.push_back(2);
  }
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4));
}

TEST(Deferred, IsCalledInALaterTurnOutsideABatch) {
  Loop loop;
  int calls = 0;
  Deferred one(loop, [&] { ++calls; });
  Deferred other(loop, [&] { ++calls; });
  one.ask();
  other.ask();
  EXPECT_EQ(calls, 0);
  loop.run();
  EXPECT_EQ(calls, 2);
  one.ask();
  loop.run();
  EXPECT_EQ(calls, 3);
}

TEST(Deferred, IsCalledOnceHoweverOftenItIsAskedFor) {
  Loop loop;
  int calls = 0;
  Deferred call(loop, [&] {
    if (++calls == 1) call.ask();  // From within: once more.
  });
  {
    const Loop::Batch batch(loop);
    call.ask();
    call.ask();
  }
  EXPECT_EQ(calls, 2);
}

TEST(Deferred, IsNotCalledOnceDestroyed) {
  Loop loop;
  int calls = 0;
  std::optional<Deferred> gone;
  Deferred stays(loop, [&] {
    ++calls;
    gone.reset();
  });
  gone.emplace(loop, [&] { FAIL(); });
  {
    const Loop::Batch batch(loop);
    stays.ask();
    gone->ask();
  }
  EXPECT_EQ(calls, 1);
  gone.emplace(loop, [&] { FAIL(); });
  gone->ask();
  gone.reset();
  loop.run();
}

TEST(Loop, NeverCallsFromWithinCallAt) {
  Loop loop;
  bool called = false;
  loop.call_at(TimePoint::min(), [&] { called = true; });
  EXPECT_FALSE(called);
  loop.run();
  EXPECT_TRUE(called);
}

TEST(Loop, ForgetsACancelledCall) {
  Loop loop;
  bool called = false;
  const auto timer = loop.call_at(loop.now() + 1ms, [&] { called = true; });
  loop.cancel(timer);
  loop.cancel(timer);
  loop.run();
  EXPECT_FALSE(called);
}

TEST(Loop, CancelsAnotherCallOfTheSameInstant) {
  Loop loop;
  bool called = false;
  const auto when = loop.now() + 1ms;
  TimerId second{};
  loop.call_at(when, [&] { loop.cancel(second); });
  second = loop.call_at(when, [&] { called = true; });
  loop.run();
  EXPECT_FALSE(called);
}

TEST(Loop, CallsAnEarlierCallThatWasAskedForLater) {
  Loop loop;
  std::vector<int> order;
  const auto late = loop.call_at(loop.now() + 1h, [&] { order.push_back(2); });
  loop.call_at(loop.now() + 1ms, [&] {
    order.push_back(1);
    loop.cancel(late);
  });
  loop.run();
  EXPECT_THAT(order, ElementsAre(1));
}

TEST(Loop, LetsOtherWorkInBetweenCallsThatAskForEachOther) {
  Loop loop;
  int calls = 0;
  bool posted = false;
  std::function<void()> again = [&] {
    ++calls;
    if (!posted) loop.call_at(TimePoint::min(), again);
  };
  loop.call_at(TimePoint::min(), again);
  loop.post([&] { posted = true; });
  loop.run();
  EXPECT_TRUE(posted);
  EXPECT_GE(calls, 1);
}

TEST(Loop, RunsUntilACondition) {
  Loop loop;
  int calls = 0;
  for (int i = 0; i < 5; ++i) loop.post([&] { ++calls; });
  loop.run_until([&] { return calls == 3; });
  EXPECT_EQ(calls, 3);
}

TEST(Loop, StopsWhenTold) {
  Loop loop;
  bool late = false;
  loop.post([&] { loop.stop(); });
  loop.call_at(loop.now() + 1h, [&] { late = true; });
  loop.run();
  EXPECT_FALSE(late);
}

TEST(Loop, StopsWhenToldFromAnotherThread) {
  Loop loop;
  loop.call_at(loop.now() + 1h, [] {});
  std::thread other([&] { loop.stop(); });
  loop.run();
  other.join();
}

TEST(Loop, PollsWithoutWaiting) {
  Loop loop;
  int calls = 0;
  loop.call_at(loop.now() + 1h, [&] { ++calls; });
  EXPECT_EQ(loop.poll(), 0U);
  loop.post([&] { loop.post([&] { ++calls; }); });
  loop.call_at(TimePoint::min(), [&] { ++calls; });
  EXPECT_EQ(loop.poll(), 3U);
  EXPECT_EQ(calls, 2);
}

TEST(Loop, WaitsForWhoHoldsIt) {
  Loop loop;
  bool ran = false;
  std::thread other([&, hold = Loop::Hold(loop)] { loop.post([&] { ran = true; }); });
  loop.run();
  EXPECT_TRUE(ran);
  other.join();
}

TEST(Loop, EndsWhenTheLastOneLetsGoWithoutAWord) {
  Loop loop;
  auto first = std::make_unique<Loop::Hold>(loop);
  auto last = std::make_unique<Loop::Hold>(*first);
  std::thread other([&] {
    first.reset();
    last.reset();
  });
  loop.run();
  other.join();
}

TEST(Loop, NeverLosesAPostOfAnotherThread) {
  Loop loop;
  constexpr int kPosts = 20'000;
  int ran = 0;
  std::thread other([&, hold = Loop::Hold(loop)] {
    for (int i = 0; i < kPosts; ++i) loop.post([&] { ++ran; });
  });
  loop.run();
  other.join();
  loop.run();
  EXPECT_EQ(ran, kPosts);
}

TEST(Loop, DropsWhatNobodyWaitsForAnyMore) {
  const auto kept = std::make_shared<int>(1);
  {
    Loop loop;
    loop.post([kept] {});
    loop.call_at(loop.now() + 1h, [kept] {});
    EXPECT_EQ(kept.use_count(), 3);
  }
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(Loop, TakesWorkFromAnotherThread) {
  Loop loop;
  std::thread::id ran_on;
  const auto keep = loop.call_at(loop.now() + 1h, [] {});
  std::thread other([&] {
    loop.post([&] {
      ran_on = std::this_thread::get_id();
      loop.cancel(keep);
    });
  });
  loop.run();
  other.join();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

}  // namespace
}  // namespace periprox
