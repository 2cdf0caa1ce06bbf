// The event loop of one thread: descriptors, timers, and work that was posted.
//
// Descriptors are watched with epoll and stay registered: a URB that goes through costs a wait, but
// nothing to renew the wait. Why this is not a library: docs/decisions/0007.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "periprox/base/clock.hpp"

namespace periprox {

/// Runs everything that belongs to one thread. Only post(), stop() and what concerns a Hold may be
/// done on another.
class Loop final : public Timers {
  struct Impl;

 public:
  Loop();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs until stop() is called or nothing is left to do: nothing posted, no timer, no Watch that
  /// wants something, no Hold.
  void run();
  /// Runs until `done` returns true (asked after each event) or nothing is left to do.
  void run_until(const std::function<bool()>& done);
  /// Does what is due now, without waiting. Says how much that was.
  std::size_t poll();
  void stop();
  /// Calls `work` soon, on the loop's thread.
  void post(std::function<void()> work);

  [[nodiscard]] TimePoint now() const override;
  TimerId call_at(TimePoint when, std::function<void()> callback) override;
  void cancel(TimerId timer) override;

  /// While it lives, Deferred calls wait; then they are made at once: so that answers to many
  /// completions leave together, without another turn of the loop. One may be within another, the
  /// outermost counts. On the loop's thread.
  class Batch {
   public:
    explicit Batch(Loop& loop);
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

   private:
    Impl& loop_;
  };

  /// Keeps run() going while somebody else, a helper thread, will still post something. Copies hold
  /// too. The loop outlives it.
  class Hold {
   public:
    explicit Hold(Loop& loop);
    Hold(const Hold& other);
    Hold& operator=(const Hold&) = delete;
    ~Hold();

   private:
    Loop* loop_;
  };

 private:
  friend class Deferred;
  friend class Watch;
  std::unique_ptr<Impl> impl_;
};

/// One call that its owner asks for again and again, which takes no memory each time. Lives on the
/// loop's thread; may be destroyed at any time but from within its call.
class Deferred {
 public:
  Deferred(Loop& loop, std::function<void()> call);
  ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  /// Makes the call at the end of the batch that is under way, else soon; once, however often it is
  /// asked for until then.
  void ask();

 private:
  friend class Loop;
  void leave_list();

  Loop::Impl* loop_;
  std::function<void()> call_;
  bool asked_ = false;
  // In the list of those that were asked for.
  Deferred* before_ = nullptr;
  Deferred* after_ = nullptr;
};

/// What a descriptor is ready for, or is watched for. An error counts as a hang-up; one makes a
/// descriptor ready for whatever it is watched for.
struct Ready {
  bool read = false;
  bool write = false;
  bool hangup = false;

  bool operator==(const Ready&) const = default;
  [[nodiscard]] bool any() const { return read || write || hangup; }
};

/// Who knows that a descriptor is not ready any more: the kernel, which is asked before each wait,
/// or the handler, which finds out anyway and so saves the kernel the looking.
enum class Drained { KernelKnows, HandlerSays };

/// Watches a descriptor that somebody else owns, who keeps it open as long. Lives on the loop's
/// thread; may be destroyed by its own handler.
class Watch {
 public:
  using Handler = std::function<void(Ready)>;

  /// `handler` is called, from the loop, again and again as long as the descriptor is ready for
  /// something that want() named. What epoll cannot watch (a regular file) is always ready.
  Watch(Loop& loop, int fd, Handler handler, Drained drained = Drained::KernelKnows);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Replaces what is wanted, at first nothing. Costs a system call only when more is wanted than
  /// before; what is no longer wanted is unregistered when it comes.
  void want(Ready ready);
  [[nodiscard]] Ready wanted() const;
  /// The handler says that nothing is left to be read, or no room to write: a read or a write took
  /// less than it was given, or would have had to wait. Has a meaning with HandlerSays only. Once
  /// the other end has hung up, there is always something left: the news of that.
  void drained(Ready ready);
  [[nodiscard]] int fd() const;

 private:
  friend class Loop;
  struct Record;
  Loop::Impl* loop_;
  std::unique_ptr<Record> record_;
};

}  // namespace periprox
