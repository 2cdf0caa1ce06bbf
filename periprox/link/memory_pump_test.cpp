#include "periprox/link/memory_pump.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "periprox/link/testing.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::link {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::FdPair;

/// What a test sees and decides of a MemoryProtocol.
struct Looks {
  int polls = 0;
  int work_left = 0;       ///< Polls that find something.
  bool ring = false;       ///< The peer sleeps; once.
  bool new_entry = false;  ///< Something comes while it falls asleep; once.
  int slept = 0;
  int woken_up = 0;
  int gone = 0;
  bool finished = false;
  bool close_called = false;
  std::optional<TimePoint> wake_at;
  Waker* waker = nullptr;
};

class LooksProtocol final : public MemoryProtocol {
 public:
  explicit LooksProtocol(Looks& looks) : looks_(looks) {}
  void set_waker(Waker* waker) override { looks_.waker = waker; }
  bool poll(TimePoint now) override {
    ++looks_.polls;
    if (looks_.wake_at && now >= *looks_.wake_at) looks_.wake_at.reset();
    if (looks_.work_left == 0) return false;
    --looks_.work_left;
    return true;
  }
  bool must_ring_doorbell() override { return std::exchange(looks_.ring, false); }
  bool may_fall_asleep() override {
    if (std::exchange(looks_.new_entry, false)) return false;
    ++looks_.slept;
    return true;
  }
  void wake_up() override { ++looks_.woken_up; }
  std::optional<TimePoint> wake_at() const override { return looks_.wake_at; }
  void peer_gone(std::optional<Error> /*error*/) override {
    ++looks_.gone;
    looks_.finished = true;
  }
  void close() override {
    looks_.close_called = true;
    looks_.finished = true;
  }
  bool finished() const override { return looks_.finished; }
  const std::optional<Error>& failure() const override { return failure_; }

 private:
  Looks& looks_;
  std::optional<Error> failure_;
};

class MemoryPumpTest : public ::testing::Test {
 protected:
  void start(UniqueFd channel, MemoryWaiting waiting = {}) {
    pump = std::make_unique<MemoryPump>(loop, spinner, std::move(channel),
                                        std::make_unique<LooksProtocol>(looks), waiting,
                                        [this](MemoryProtocol&) { ++ended; });
  }
  void run_until(const std::function<bool()>& done) { loop.run_until(done); }

  Loop loop;
  Spinner spinner{loop};
  Looks looks;
  FdPair sockets = testing::socket_pair();
  int ended = 0;
  std::unique_ptr<MemoryPump> pump;
};

TEST_F(MemoryPumpTest, LooksUntilNothingMovesThenSleeps) {
  looks.work_left = 100;
  start(std::move(sockets.a));
  run_until([&] { return looks.slept > 0; });
  EXPECT_GE(looks.polls, 100);
  EXPECT_EQ(looks.work_left, 0);
}

TEST_F(MemoryPumpTest, DoesNotSleepWhenSomethingCameInTheLastMoment) {
  looks.new_entry = true;
  start(std::move(sockets.a));
  run_until([&] { return looks.slept > 0; });
  EXPECT_FALSE(looks.new_entry);
}

TEST_F(MemoryPumpTest, RingsAPeerThatSleeps) {
  looks.ring = true;
  start(std::move(sockets.a));
  run_until([&] { return looks.slept > 0; });
  EXPECT_EQ(testing::read_all(sockets.b.get(), 1).size(), 1U);
}

TEST_F(MemoryPumpTest, WakesUponTheDoorbell) {
  start(std::move(sockets.a));
  run_until([&] { return looks.slept > 0; });
  const auto woken = looks.woken_up;
  ASSERT_EQ(::send(sockets.b.get(), "", 1, 0), 1);
  run_until([&] { return looks.slept > 1; });
  EXPECT_EQ(looks.woken_up, woken + 1);
}

TEST_F(MemoryPumpTest, WakesWhenItsProtocolAsks) {
  start(std::move(sockets.a));
  run_until([&] { return looks.slept > 0; });
  looks.waker->wake();
  run_until([&] { return looks.slept > 1; });
}

TEST_F(MemoryPumpTest, LooksAtTheTimeThatItsProtocolNames) {
  looks.wake_at = loop.now() + milliseconds(20);
  start(std::move(sockets.a));
  run_until([&] { return !looks.wake_at; });
  EXPECT_EQ(looks.slept, 1);  // A look, no waking up.
}

TEST_F(MemoryPumpTest, WithoutADoorbellItLooksAgainByItself) {
  start({});
  run_until([&] { return looks.polls > 20; });
  looks.work_left = 1;
  run_until([&] { return looks.work_left == 0; });
  EXPECT_EQ(looks.slept, 0);
}

TEST_F(MemoryPumpTest, TellsWhenThePeerHangsUp) {
  start(std::move(sockets.a));
  sockets.b.reset();
  run_until([&] { return ended > 0; });
  EXPECT_EQ(looks.gone, 1);
  EXPECT_EQ(ended, 1);
}

TEST_F(MemoryPumpTest, EndsWhenClosed) {
  start(std::move(sockets.a));
  pump->close();
  run_until([&] { return ended > 0; });
  EXPECT_TRUE(looks.close_called);
}

TEST_F(MemoryPumpTest, MayBeDestroyedWhenItHasEnded) {
  looks.finished = true;
  pump = std::make_unique<MemoryPump>(loop, spinner, std::move(sockets.a),
                                      std::make_unique<LooksProtocol>(looks), MemoryWaiting{},
                                      [this](MemoryProtocol&) {
                                        pump.reset();
                                        ++ended;
                                      });
  run_until([&] { return ended > 0; });
  EXPECT_EQ(pump, nullptr);
}

TEST_F(MemoryPumpTest, MayBeDestroyedWhileAwake) {
  looks.work_left = 1'000'000;
  start(std::move(sockets.a));
  run_until([&] { return looks.polls > 3; });
  pump.reset();
  const auto polls = looks.polls;
  bool later = false;
  loop.call_at(loop.now() + milliseconds(2), [&] { later = true; });
  run_until([&] { return later; });
  EXPECT_EQ(looks.polls, polls);
}

TEST_F(MemoryPumpTest, OneThatIsBusyDoesNotKeepAnotherWaiting) {
  looks.work_left = 1'000'000'000;
  start(std::move(sockets.a));
  Looks other;
  other.work_left = 50;
  auto more = testing::socket_pair();
  MemoryPump second(loop, spinner, std::move(more.a), std::make_unique<LooksProtocol>(other), {},
                    [](MemoryProtocol&) {});
  run_until([&] { return other.work_left == 0; });
  EXPECT_GT(looks.work_left, 0);
}

TEST(PinThread, RefusesAProcessorThatIsNotThere) {
  EXPECT_FALSE(pin_thread(-1));
  EXPECT_FALSE(pin_thread(1 << 20));
}

}  // namespace
}  // namespace periprox::link
