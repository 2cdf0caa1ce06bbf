// The sleep protocol in every interleaving: a small model checker that runs the real code.
//
// A thread of the model is a function of a memory. It is run again and again from its start: what
// its earlier steps returned is replayed, and at the first step without a result it is left by an
// exception that names the step. The explorer then lets that step happen, or another thread's, or
// lets a buffered store reach the memory, in every order there is. Stores of one thread to
// different places may pass each other and any load (partial store order, weaker than x86), so a
// missing fence shows.
#include "periprox/wire/ring_wait.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace periprox::wire::ring {
namespace {

enum class Place : std::uint8_t { Tail, Sleeping };
enum class Action : std::uint8_t { Store, Load, Exchange, Fence, RingDoorbell, AwaitDoorbell };

struct Step {
  Action action;
  Place place = Place::Tail;
  std::uint32_t value = 0;
};

/// Thrown out of a thread at its first step that has not happened yet.
struct NextStep {
  Step step;
};

/// What a thread of the model sees: its own past.
class Replay {
 public:
  Replay(const std::vector<std::uint32_t>& results, bool fences)
      : results_(results), fences_(fences) {}

  void store_tail(std::uint32_t tail) { step({Action::Store, Place::Tail, tail}); }
  std::uint32_t load_tail() { return step({Action::Load, Place::Tail}); }
  void store_sleeping(std::uint32_t value) { step({Action::Store, Place::Sleeping, value}); }
  std::uint32_t load_sleeping() { return step({Action::Load, Place::Sleeping}); }
  std::uint32_t take_sleeping() { return step({Action::Exchange, Place::Sleeping, 0}); }
  void full_fence() {
    if (fences_) step({Action::Fence});
  }
  void ring_doorbell() { step({Action::RingDoorbell}); }
  void await_doorbell() { step({Action::AwaitDoorbell}); }

 private:
  std::uint32_t step(Step wanted) {
    if (next_ == results_.size()) throw NextStep{wanted};
    return results_[next_++];
  }
  const std::vector<std::uint32_t>& results_;
  bool fences_;
  std::size_t next_ = 0;
};

constexpr std::uint32_t kEntries = 3;

void produce(Replay& memory) {
  for (std::uint32_t tail = 1; tail <= kEntries; ++tail) {
    publish(memory, tail);
    if (must_ring_doorbell(memory)) memory.ring_doorbell();
  }
}

void consume(Replay& memory) {
  std::uint32_t head = 0;
  while (head != kEntries) {
    if (const auto tail = memory.load_tail(); tail != head) {
      head = tail;
    } else if (may_fall_asleep(memory, head)) {
      memory.await_doorbell();
      memory.store_sleeping(0);
    }
  }
}

struct BufferedStore {
  Place place;
  std::uint32_t value;
};

/// One state of the world.
struct World {
  std::array<std::uint32_t, 2> memory{};
  std::uint32_t doorbell = 0;
  std::array<std::vector<BufferedStore>, 2> buffers;
  std::array<std::vector<std::uint32_t>, 2> past;

  [[nodiscard]] std::string key() const {
    std::string text;
    const auto add = [&text](std::uint32_t value) { text += static_cast<char>('a' + value); };
    for (const auto value : memory) add(value);
    add(doorbell);
    for (std::size_t thread = 0; thread < 2; ++thread) {
      text += '|';
      for (const auto& store : buffers[thread]) {
        add(static_cast<std::uint32_t>(store.place));
        add(store.value);
      }
      text += ':';
      for (const auto result : past[thread]) add(result);
    }
    return text;
  }
};

struct Verdict {
  std::size_t states = 0;
  bool lost_wake_up = false;
};

class Explorer {
 public:
  Explorer(bool producer_fences, bool consumer_fences)
      : fences_{producer_fences, consumer_fences} {}

  Verdict explore() {
    visit(World{});
    return {seen_.size(), lost_wake_up_};
  }

 private:
  std::optional<Step> next_step(const World& world, std::size_t thread) {
    Replay replay(world.past[thread], fences_[thread]);
    try {
      (thread == 0 ? produce : consume)(replay);
    } catch (const NextStep& next) {
      return next.step;
    }
    return std::nullopt;
  }

  void visit(const World& world) {
    if (!seen_.insert(world.key()).second) return;
    bool moved = false;
    std::array<bool, 2> ended{};
    for (std::size_t thread = 0; thread < 2; ++thread) {
      moved |= flush_one(world, thread);
      const auto step = next_step(world, thread);
      ended[thread] = !step;
      if (step) moved |= take(world, thread, *step);
    }
    // Nothing can happen any more: fine only if both have come to their end.
    if (!moved && !(ended[0] && ended[1])) lost_wake_up_ = true;
  }

  /// Lets the oldest buffered store to each place reach the memory.
  bool flush_one(const World& world, std::size_t thread) {
    bool moved = false;
    for (const auto place : {Place::Tail, Place::Sleeping}) {
      World after = world;
      auto& buffer = after.buffers[thread];
      for (auto it = buffer.begin(); it != buffer.end(); ++it) {
        if (it->place != place) continue;
        after.memory[static_cast<std::size_t>(place)] = it->value;
        buffer.erase(it);
        visit(after);
        moved = true;
        break;
      }
    }
    return moved;
  }

  /// False when the step has to wait.
  bool take(const World& world, std::size_t thread, const Step& step) {
    World after = world;
    auto& buffer = after.buffers[thread];
    auto& cell = after.memory[static_cast<std::size_t>(step.place)];
    std::uint32_t result = 0;
    // System calls and atomic exchanges drain the buffer first, as a fence does.
    if (step.action != Action::Store && step.action != Action::Load && !buffer.empty())
      return false;
    switch (step.action) {
      case Action::Store:
        buffer.push_back({step.place, step.value});
        break;
      case Action::Load:
        result = cell;
        for (const auto& store : buffer) {
          if (store.place == step.place) result = store.value;
        }
        break;
      case Action::Exchange:
        result = cell;
        cell = step.value;
        break;
      case Action::Fence:
        break;
      case Action::RingDoorbell:
        after.doorbell = 1;
        break;
      case Action::AwaitDoorbell:
        if (after.doorbell == 0) return false;
        after.doorbell = 0;
        break;
    }
    after.past[thread].push_back(result);
    visit(after);
    return true;
  }

  std::array<bool, 2> fences_;
  std::set<std::string> seen_;
  bool lost_wake_up_ = false;
};

TEST(RingWait, LosesNoWakeUpInAnyInterleaving) {
  const auto verdict = Explorer(true, true).explore();
  EXPECT_FALSE(verdict.lost_wake_up);
  EXPECT_GT(verdict.states, 1000U);  // The model did have choices.
}

TEST(RingWait, WouldLoseOneWithoutTheProducersFence) {
  EXPECT_TRUE(Explorer(false, true).explore().lost_wake_up);
}

TEST(RingWait, WouldLoseOneWithoutTheConsumersFence) {
  EXPECT_TRUE(Explorer(true, false).explore().lost_wake_up);
}

TEST(RingWait, TellsAConsumerThatHasNewEntriesNotToSleep) {
  ProducerLine in{};
  ConsumerLine out{};
  RingIndices memory(in, out);
  publish(memory, 1);
  EXPECT_FALSE(may_fall_asleep(memory, 0));
  EXPECT_EQ(out.sleeping, 0U);
  EXPECT_TRUE(may_fall_asleep(memory, 1));
  EXPECT_EQ(out.sleeping, 1U);
}

TEST(RingWait, RingsOnceForOneSleeper) {
  ProducerLine in{};
  ConsumerLine out{};
  RingIndices memory(in, out);
  ASSERT_TRUE(may_fall_asleep(memory, 0));
  publish(memory, 1);
  EXPECT_TRUE(must_ring_doorbell(memory));
  publish(memory, 2);
  EXPECT_FALSE(must_ring_doorbell(memory));
}

}  // namespace
}  // namespace periprox::wire::ring
