// The event loop of one thread: Asio's io_context with the clock that sans-IO code is given.
#pragma once

#include <functional>
#include <memory>

#include "periprox/base/clock.hpp"

namespace asio {
class io_context;
}

namespace periprox::link {

/// Runs everything that belongs to one thread. Only post() and stop() may be called from another.
class Loop final : public Timers {
 public:
  Loop();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs until stop() is called or nothing is left to do.
  void run();
  /// Runs until `done` returns true (asked after each event) or nothing is left to do.
  void run_until(const std::function<bool()>& done);
  void stop();
  /// Calls `work` soon, on the loop's thread.
  void post(std::function<void()> work);
  /// Does `work`, then at once what it deferred: so that answers to many completions leave
  /// together, without another turn of the loop. On the loop's thread.
  void batch(const std::function<void()>& work);
  /// Calls `work` at the end of the batch that is under way, else soon. On the loop's thread.
  void defer(std::function<void()> work);

  [[nodiscard]] TimePoint now() const override;
  TimerId call_at(TimePoint when, std::function<void()> callback) override;
  void cancel(TimerId timer) override;

  [[nodiscard]] asio::io_context& io();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace periprox::link
