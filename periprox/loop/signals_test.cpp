#include "periprox/loop/signals.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>

#include <chrono>
#include <optional>

#include "periprox/loop/loop.hpp"

namespace periprox {
namespace {

using namespace std::chrono_literals;

TEST(SignalsTest, CallOnTheLoop) {
  Loop loop;
  int calls = 0;
  const Signals signals(loop, {SIGUSR1, SIGUSR2}, [&] { ++calls; });
  ::raise(SIGUSR2);
  EXPECT_EQ(calls, 0);
  loop.run_until([&] { return calls == 1; });
  ::raise(SIGUSR1);
  loop.run_until([&] { return calls == 2; });
  EXPECT_EQ(loop.poll(), 0U);
}

TEST(SignalsTest, EndASleepOfTheLoop) {
  Loop loop;
  bool called = false;
  loop.call_at(loop.now() + 1h, [] {});
  const Signals signals(loop, {SIGALRM}, [&] { called = true; });
  itimerval soon{};
  soon.it_value.tv_usec = 1000;
  ASSERT_EQ(::setitimer(ITIMER_REAL, &soon, nullptr), 0);
  loop.run_until([&] { return called; });
  EXPECT_TRUE(called);
}

TEST(SignalsTest, LeaveTheSignalAsItWas) {
  Loop loop;
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &ignore, &before), 0);
  {
    const Signals signals(loop, {SIGUSR1}, [] {});
  }
  struct sigaction after {};
  ASSERT_EQ(::sigaction(SIGUSR1, &before, &after), 0);
  EXPECT_EQ(after.sa_handler, SIG_IGN);
}

TEST(SignalsTest, MayEndInTheirHandler) {
  Loop loop;
  std::optional<Signals> signals;
  signals.emplace(loop, std::initializer_list<int>{SIGUSR1}, [&] { signals.reset(); });
  ::raise(SIGUSR1);
  loop.run();
  EXPECT_FALSE(signals.has_value());
}

}  // namespace
}  // namespace periprox
