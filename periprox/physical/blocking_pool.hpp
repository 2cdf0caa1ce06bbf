// Threads for the calls that block: opening and claiming devices, resets, configurations, handing
// interfaces back to their drivers. Never for data.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "periprox/loop/loop.hpp"

namespace periprox::physical {

/// Runs jobs on threads of its own, each at once: a device that hangs in a reset holds up no other.
/// Idle threads are kept for the next job, for a moment: the kernel is quicker with a process of
/// one thread, whose descriptors nobody else can close meanwhile. Thread-safe. Its destructor waits
/// until every job is done, so whatever jobs refer to (an event loop) outlives it.
class BlockingPool {
 public:
  BlockingPool();
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  void run(std::function<void()> job);
  /// Does `work` here, then `done`, with what it returned, on `loop`, which does not run dry
  /// before. Both can be copied; the result need not.
  template <typename Work, typename Done>
  void run(Loop& loop, Work work, Done done) {
    run([&loop, hold = Loop::Hold(loop), work = std::move(work), done = std::move(done)] {
      using Outcome = std::invoke_result_t<const Work&>;
      if constexpr (std::is_void_v<Outcome>) {
        work();
        loop.post(done);
      } else {
        // Shared, because std::function wants to copy what it holds.
        const auto outcome = std::make_shared<Outcome>(work());
        loop.post([done, outcome] { done(std::move(*outcome)); });
      }
    });
  }
  /// Waits until no job is running or waiting.
  void wait_until_idle();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace periprox::physical
