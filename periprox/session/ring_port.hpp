// One side's two ends of the rings: where it puts entries and where it takes them.
//
// Our own indices are private; the memory only gets copies of them. The other side's are compared
// with ours before they are believed: `tail` is at most a ring ahead, `head` never runs backwards.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "periprox/session/ring_memory.hpp"
#include "periprox/wire/ring.hpp"
#include "periprox/wire/ring_wait.hpp"

namespace periprox::session {

/// Puts entries into one ring and takes entries out of the other. One thread.
class RingPort {
 public:
  enum class Side : std::uint8_t { Exporter, Importer };

  RingPort(const RingMemory& memory, const wire::ring::Layout& layout, Side side);

  /// True when put() may be called now.
  [[nodiscard]] bool has_room();
  /// Publishes an entry. has_room() was true.
  void put(const wire::ring::Entry& entry);
  /// A private copy of the next entry; empty when there is none, or the ring is broken.
  [[nodiscard]] std::optional<wire::ring::Entry> take();
  /// Lets the other side reuse the places of what was taken.
  void release_taken();

  /// True when entries were put since the last call and the other side sleeps.
  [[nodiscard]] bool must_ring_doorbell();
  [[nodiscard]] bool may_fall_asleep();
  void wake_up() { in_.store_sleeping(0); }

  /// What the other side did that no sound one does; empty while it behaves. Final.
  [[nodiscard]] std::string_view fault() const { return fault_; }

 private:
  wire::ring::RingIndices out_;  // Where we produce.
  wire::ring::Shared<wire::ring::Entry>* out_entries_;
  std::uint32_t out_mask_;
  std::uint32_t tail_ = 0;
  std::uint32_t seen_head_ = 0;
  bool put_since_doorbell_ = false;

  wire::ring::RingIndices in_;  // Where we consume.
  const wire::ring::Shared<wire::ring::Entry>* in_entries_;
  std::uint32_t in_mask_;
  std::uint32_t head_ = 0;
  std::uint32_t seen_tail_ = 0;
  bool taken_since_release_ = false;

  std::string_view fault_;
};

}  // namespace periprox::session
