// Threads for the calls that block: opening and claiming devices, resets, configurations, handing
// interfaces back to their drivers. Never for data.
#pragma once

#include <functional>
#include <memory>

namespace periprox::physical {

/// Runs jobs on threads of its own, each at once: a device that hangs in a reset holds up no other.
/// Idle threads are kept for the next job. Thread-safe. Its destructor waits until every job is
/// done, so whatever jobs refer to (an event loop) outlives it.
class BlockingPool {
 public:
  BlockingPool();
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  void run(std::function<void()> job);
  /// Waits until no job is running or waiting.
  void wait_until_idle();

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

}  // namespace periprox::physical
