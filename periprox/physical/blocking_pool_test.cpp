#include "periprox/physical/blocking_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <iterator>
#include <thread>

namespace periprox::physical {
namespace {

using namespace std::chrono_literals;

std::size_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

TEST(BlockingPool, RunsJobsBesideEachOther) {
  BlockingPool pool;
  std::promise<void> second_runs;
  std::promise<void> first_done;
  pool.run([&] {
    second_runs.get_future().wait();
    first_done.set_value();
  });
  pool.run([&] { second_runs.set_value(); });
  first_done.get_future().wait();
}

TEST(BlockingPool, WaitsForItsJobsWhenItGoes) {
  std::atomic<int> done{0};
  {
    BlockingPool pool;
    for (int i = 0; i < 8; ++i) {
      pool.run([&] {
        std::this_thread::sleep_for(5ms);
        ++done;
      });
    }
  }
  EXPECT_EQ(done, 8);
}

TEST(BlockingPool, KeepsNoThreadThatHasNothingToDo) {
  const auto before = threads_of_this_process();
  BlockingPool pool;
  pool.run([] {});
  while (threads_of_this_process() > before) std::this_thread::sleep_for(1ms);
  std::promise<void> again;
  pool.run([&] { again.set_value(); });
  again.get_future().wait();
}

TEST(BlockingPool, MayGoWhileItsThreadsDo) {
  for (int i = 0; i < 20; ++i) {
    BlockingPool pool;
    pool.run([] {});
    // About as long as idle threads are kept: some of the pools go just then.
    std::this_thread::sleep_for(std::chrono::milliseconds(5 + i / 2));
  }
}

}  // namespace
}  // namespace periprox::physical
