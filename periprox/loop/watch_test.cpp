#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "periprox/base/unique_fd.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox {
namespace {

using namespace std::chrono_literals;

class WatchTest : public ::testing::Test {
 protected:
  WatchTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    ours.reset(ends[0]);
    theirs.reset(ends[1]);
  }

  void say(const std::string& text) const {
    EXPECT_EQ(::write(theirs.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string hear() const {
    std::array<char, 64> bytes{};
    const auto count = ::read(ours.get(), bytes.data(), bytes.size());
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
  }
  void fill() const {
    const std::array<char, 4096> bytes{};
    while (::write(ours.get(), bytes.data(), bytes.size()) > 0) {
    }
  }
  void drain() const {
    std::array<char, 4096> bytes{};
    while (::read(theirs.get(), bytes.data(), bytes.size()) > 0) {
    }
  }

  Loop loop;
  UniqueFd ours;
  UniqueFd theirs;
};

TEST_F(WatchTest, TellsAgainAndAgainWhatIsStillThere) {
  int calls = 0;
  Watch watch(loop, ours.get(), [&](Ready ready) {
    EXPECT_EQ(ready, (Ready{.read = true}));
    if (++calls == 3) {
      EXPECT_EQ(hear(), "x");
    }
  });
  watch.want({.read = true});
  say("x");
  loop.run_until([&] { return calls == 3; });
  EXPECT_EQ(loop.poll(), 0U);
}

TEST_F(WatchTest, TellsNothingThatIsNotWanted) {
  int calls = 0;
  Watch watch(loop, ours.get(), [&](Ready) { ++calls; });
  say("x");
  (void)loop.poll();
  EXPECT_EQ(calls, 0);
  watch.want({.read = true});
  watch.want({});
  (void)loop.poll();
  EXPECT_EQ(calls, 0);
  watch.want({.read = true});
  loop.run_until([&] { return calls > 0; });
}

TEST_F(WatchTest, GoesOnAfterAPause) {
  std::string heard;
  std::optional<Watch> watch;
  watch.emplace(loop, ours.get(), [&](Ready) {
    heard += hear();
    watch->want({});
  });
  for (const std::string word : {"a", "b", "c"}) {
    watch->want({.read = true});
    say(word);
    loop.run_until([&] { return heard.ends_with(word); });
    say("-");
    (void)loop.poll();  // Comes unwanted.
    EXPECT_EQ(hear(), "-");
  }
  EXPECT_EQ(heard, "abc");
}

TEST_F(WatchTest, TellsOfRoom) {
  fill();
  bool has_room = false;
  Watch watch(loop, ours.get(), [&](Ready ready) {
    has_room = ready.write;
    watch.want({});
  });
  watch.want({.write = true});
  (void)loop.poll();
  EXPECT_FALSE(has_room);
  drain();
  loop.run();
  EXPECT_TRUE(has_room);
}

TEST_F(WatchTest, TellsReadersAndWritersThatTheOtherEndHungUp) {
  Ready told;
  Watch watch(loop, ours.get(), [&](Ready ready) {
    told = ready;
    watch.want({});
  });
  watch.want({.read = true, .write = true, .hangup = true});
  theirs.reset();
  loop.run();
  EXPECT_EQ(told, (Ready{.read = true, .write = true, .hangup = true}));
}

TEST_F(WatchTest, AHangupThatNobodyWantsCostsNothing) {
  int calls = 0;
  Watch watch(loop, ours.get(), [&](Ready) { ++calls; });
  watch.want({.read = true});
  watch.want({});
  theirs.reset();
  (void)loop.poll();
  EXPECT_EQ(loop.poll(), 0U);
  EXPECT_EQ(calls, 0);
  watch.want({.hangup = true});
  loop.run_until([&] { return calls == 1; });
}

TEST_F(WatchTest, KeepsTheLoopGoingOnlyWhileItWantsSomething) {
  Watch watch(loop, ours.get(), [&](Ready) { watch.want({}); });
  loop.run();
  watch.want({.read = true});
  say("x");
  loop.run();
}

TEST_F(WatchTest, MayBeDestroyedByItsHandler) {
  std::optional<Watch> watch;
  auto alive = std::make_shared<bool>(true);
  const std::weak_ptr<bool> lives = alive;
  watch.emplace(loop, ours.get(), [&, alive = std::move(alive)](Ready) {
    watch.reset();
    (void)loop.poll();  // A turn within this one.
    EXPECT_TRUE(*alive);
  });
  watch->want({.read = true});
  say("x");
  loop.run();
  (void)loop.poll();
  EXPECT_TRUE(lives.expired());
}

TEST_F(WatchTest, MayBeDestroyedByTheHandlerOfAnother) {
  int calls = 0;
  std::optional<Watch> one;
  std::optional<Watch> other;
  one.emplace(loop, ours.get(), [&](Ready) {
    ++calls;
    other.reset();
    one.reset();
  });
  other.emplace(loop, theirs.get(), [&](Ready) {
    ++calls;
    other.reset();
    one.reset();
  });
  one->want({.write = true});
  other->want({.write = true});
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST_F(WatchTest, ADescriptorOfTheSameNumberIsAnotherOne) {
  std::optional<Watch> watch;
  watch.emplace(loop, ours.get(), [](Ready) { FAIL(); });
  watch->want({.read = true});
  const int number = ours.get();
  watch.reset();
  ours.reset();
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd in(ends[0]);
  const UniqueFd out(ends[1]);
  ASSERT_EQ(in.get(), number);
  int calls = 0;
  Watch next(loop, in.get(), [&](Ready) { ++calls; });
  next.want({.read = true});
  EXPECT_EQ(::write(out.get(), "x", 1), 1);
  loop.run_until([&] { return calls == 1; });
}

TEST_F(WatchTest, ARegularFileIsAlwaysReady) {
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  int calls = 0;
  Watch watch(loop, file.get(), [&](Ready ready) {
    EXPECT_TRUE(ready.read);
    if (++calls == 3) watch.want({});
  });
  watch.want({.read = true});
  loop.run();
  EXPECT_EQ(calls, 3);
  watch.want({.read = true});
  loop.run_until([&] { return calls == 4; });
}

TEST_F(WatchTest, AFileThatIsNoLongerWatchedIsForgotten) {
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  std::optional<Watch> watch;
  watch.emplace(loop, file.get(), [&](Ready) { watch.reset(); });
  watch->want({.read = true});
  loop.run();
  watch.emplace(loop, file.get(), [&](Ready) { FAIL(); });
  watch->want({.read = true});
  watch.reset();
  loop.run();
}

// ---- Handlers that say when nothing is left -----------------------------------------------------

class DrainedWatchTest : public WatchTest {
 protected:
  /// Watches our end; a call takes at most `most` bytes, and says so when it got fewer.
  void watch_ours(std::size_t most) {
    watch.emplace(
        loop, ours.get(),
        [this, most](Ready ready) {
          ++calls;
          told = ready;
          if (!ready.read) return;
          std::string bytes(most, '\0');
          const auto count = ::read(ours.get(), bytes.data(), bytes.size());
          ended = count == 0;
          if (count > 0) heard += bytes.substr(0, static_cast<std::size_t>(count));
          if (count < static_cast<ssize_t>(most)) watch->drained({.read = true});
          if (ended) watch->want({});
        },
        Drained::HandlerSays);
  }

  /// `end` ends what comes from the other side.
  void expect_end_after_last_bytes(const std::function<void()>& end) {
    watch_ours(64);
    watch->want({.read = true});
    say("all");
    end();
    loop.run();
    EXPECT_EQ(heard, "all");
    EXPECT_TRUE(ended);
  }

  std::optional<Watch> watch;
  std::string heard;
  Ready told;
  int calls = 0;
  bool ended = false;
};

TEST_F(DrainedWatchTest, TellsAgainAndAgainUntilNothingIsLeft) {
  watch_ours(2);
  watch->want({.read = true});
  say("abcde");
  loop.run_until([&] { return heard == "abcde"; });
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(loop.poll(), 0U);
  say("f");
  loop.run_until([&] { return heard == "abcdef"; });
  EXPECT_EQ(loop.poll(), 0U);
}

TEST_F(DrainedWatchTest, TellsOfAnEndThatCameWithTheLastBytes) {
  expect_end_after_last_bytes([&] { theirs.reset(); });
}

TEST_F(DrainedWatchTest, TellsOfAnEndOfOneDirection) {
  expect_end_after_last_bytes([&] { ASSERT_EQ(::shutdown(theirs.get(), SHUT_WR), 0); });
}

TEST_F(DrainedWatchTest, RemembersWhatCameWhileItWasNotWanted) {
  watch_ours(64);
  watch->want({.read = true});
  say("a");
  loop.run_until([&] { return heard == "a"; });
  watch->want({});
  say("b");
  (void)loop.poll();
  EXPECT_EQ(heard, "a");
  watch->want({.read = true});
  loop.run_until([&] { return heard == "ab"; });
  watch->want({});
  theirs.reset();
  (void)loop.poll();
  EXPECT_EQ(loop.poll(), 0U);
  watch->want({.read = true});
  loop.run();
  EXPECT_TRUE(ended);
}

TEST_F(DrainedWatchTest, TellsOfRoomEachTimeThereIsSome) {
  watch_ours(64);
  for (int round = 1; round <= 3; ++round) {
    fill();
    watch->drained({.write = true});
    watch->want({.read = true, .write = true});
    told = {};
    (void)loop.poll();
    EXPECT_FALSE(told.write);
    drain();
    loop.run_until([&] { return told.write; });
    watch->want({.read = true});
  }
}

TEST_F(DrainedWatchTest, RoomThatNobodyWantsCostsNothing) {
  watch_ours(64);
  fill();
  watch->drained({.write = true});
  watch->want({.read = true, .write = true});
  watch->want({.read = true});
  for (int round = 0; round < 3; ++round) {
    drain();
    EXPECT_EQ(loop.poll(), round == 0 ? 1U : 0U);  // The first makes it unregister.
    fill();
  }
  EXPECT_EQ(calls, 0);
}

TEST_F(WatchTest, LetsTimersAndPostsInBetween) {
  say("x");  // Never read.
  bool called = false;
  bool posted = false;
  Watch watch(loop, ours.get(), [&](Ready) {
    if (!called) loop.post([&] { posted = true; });
    if (called) watch.want({});
  });
  watch.want({.read = true});
  loop.call_at(loop.now() + 1ms, [&] { called = true; });
  loop.run();
  EXPECT_TRUE(posted);
}

}  // namespace
}  // namespace periprox
