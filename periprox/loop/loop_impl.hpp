// The inside of Loop and Watch; included by their sources only.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "periprox/base/unique_fd.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/loop/timed_calls.hpp"

namespace periprox {

/// Ready as bits.
using ReadyBits = std::uint8_t;
inline constexpr ReadyBits kRead = 1;
inline constexpr ReadyBits kWrite = 2;
inline constexpr ReadyBits kHangup = 4;

struct Watch::Record {
  int fd = -1;
  Handler handler;
  ReadyBits wanted = 0;
  // Edge-triggered: epoll tells once what comes, and `left` is what the handler has not drained.
  ReadyBits left = 0;
  ReadyBits forever = 0;  // Is never drained.
  bool edge = false;
  std::uint32_t registered = 0;  // Events; with `known`, so that a hang-up is heard of.
  bool known = false;            // To epoll.
  bool unwatchable = false;      // By epoll: everything is left forever.
  bool queued = false;           // Among those to be called for what is left.
  bool dead = false;
};

struct Loop::Impl {
  Impl();

  // Turns (loop.cpp).
  bool do_one(bool may_wait);
  bool begin_turn(bool may_wait);
  bool arm();
  void post(std::function<void()> function);
  void ring();
  void take_posted();
  void end_batch();

  // Descriptors (watch.cpp).
  /// epoll_ctl(); its errno, 0 when all is well. Events come with `mark`.
  [[nodiscard]] int control(int operation, int fd, std::uint32_t events, void* mark) const;
  void add(Watch::Record& record) const;
  void forget(Watch::Record& record) const;
  void want(Watch::Record& record, ReadyBits ready);
  /// What epoll is to tell of it.
  [[nodiscard]] static std::uint32_t events_of(const Watch::Record& record);
  void register_anew(Watch::Record& record) const;
  void on_event(Watch::Record& record, std::uint32_t events);
  void on_edge(Watch::Record& record, std::uint32_t events);
  void call(Watch::Record& record, ReadyBits ready);
  void call_for_left(Watch::Record& record);
  void queue_if_left(Watch::Record& record);
  bool serve_queued();
  void bury_dead();

  UniqueFd epoll;
  UniqueFd doorbell;
  UniqueFd timer;

  std::mutex mutex;
  std::deque<std::function<void()>> posted;  // For the next turn; the mutex guards it.
  // The loop says that it sleeps, then looks at the others; everybody else changes one of those,
  // then looks whether it sleeps. So one of both always sees the other (all are sequentially
  // consistent).
  std::atomic<bool> asleep{false};
  std::atomic<bool> has_posted{false};
  std::atomic<bool> stopped{false};
  std::atomic<std::size_t> holds{0};

  std::deque<std::function<void()>> work;  // Of this turn.
  TimedCalls calls;
  TimePoint armed = TimePoint::max();  // What the timer is set for.
  Deferred* first_deferred = nullptr;
  Deferred* last_deferred = nullptr;
  int batches = 0;  // Under way, one within the other.

  std::array<epoll_event, 64> arrived{};
  std::size_t arrived_count = 0;
  std::size_t next_event = 0;
  std::size_t wanting = 0;                           // Watches that want something.
  std::vector<Watch::Record*> queued;                // To be called in this turn.
  std::vector<Watch::Record*> queued_later;          // In the next one.
  std::vector<std::unique_ptr<Watch::Record>> dead;  // `arrived` may name them; or one is at work.
  int handlers = 0;                                  // Under way, one within the other.
};

}  // namespace periprox
