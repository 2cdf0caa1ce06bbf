// How a ring's consumer goes to sleep without missing what its producer does meanwhile.
//
// Both sides write, then fence, then read what the other wrote: whatever the order, at least one
// sees the other's write (the store-buffer litmus test; a release and an acquire do not suffice,
// for a store may pass a later load of another place). The steps are written against any memory
// that can be read and written, so that ring_wait_test.cpp runs this very code through every
// interleaving.
//
// A memory has: store_tail(), load_tail(), store_sleeping(), load_sleeping(), take_sleeping()
// (exchanges with 0) and full_fence().
#pragma once

#include <atomic>
#include <cstdint>

#include "periprox/wire/ring.hpp"

namespace periprox::wire::ring {

/// The producer's: makes entries visible up to `tail`. Any number of times before
/// must_ring_doorbell().
template <typename Memory>
void publish(Memory& memory, std::uint32_t tail) {
  memory.store_tail(tail);
}

/// The producer's, once after a batch: true when the consumer sleeps and is to be woken.
template <typename Memory>
[[nodiscard]] bool must_ring_doorbell(Memory& memory) {
  memory.full_fence();
  return memory.load_sleeping() != 0 && memory.take_sleeping() != 0;
}

/// The consumer's, when it has taken everything up to `head`: true when it may sleep now, until the
/// doorbell rings.
template <typename Memory>
[[nodiscard]] bool may_fall_asleep(Memory& memory, std::uint32_t head) {
  memory.store_sleeping(1);
  memory.full_fence();
  if (memory.load_tail() == head) return true;
  memory.store_sleeping(0);
  return false;
}

/// The real memory of one ring.
class RingIndices {
 public:
  RingIndices(ProducerLine& in, ConsumerLine& out) : in_(&in), out_(&out) {}

  /// A BAR may be mapped write-combining, where x86's release and acquire order nothing: its own
  /// fences do. They cost next to nothing on ordinary memory.
  void store_tail(std::uint32_t tail) {
#ifdef __SSE2__
    __builtin_ia32_sfence();
#endif
    in_->tail.store(tail, std::memory_order_release);
  }
  /// Between finding a new tail and reading what is before it.
  static void order_loads() {
#ifdef __SSE2__
    __builtin_ia32_lfence();
#endif
  }
  [[nodiscard]] std::uint32_t load_tail() const {
    return in_->tail.load(std::memory_order_acquire);
  }
  void store_sleeping(std::uint32_t value) {
    out_->sleeping.store(value, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t load_sleeping() const {
    return out_->sleeping.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t take_sleeping() {
    return out_->sleeping.exchange(0, std::memory_order_acq_rel);
  }
  static void full_fence() {
#ifdef __SANITIZE_THREAD__
    // The thread sanitizer knows no fences; this has the same effect.
    static thread_local std::atomic<int> own{0};
    own.fetch_add(1, std::memory_order_seq_cst);
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  }

  void store_head(std::uint32_t head) { out_->head.store(head, std::memory_order_release); }
  [[nodiscard]] std::uint32_t load_head() const {
    return out_->head.load(std::memory_order_acquire);
  }

 private:
  ProducerLine* in_;
  ConsumerLine* out_;
};

}  // namespace periprox::wire::ring
