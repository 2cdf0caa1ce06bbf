// The URBs of a ring client that are on their way, by slot. A tag is a slot and its generation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "periprox/base/payload.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::session {

struct RingClientSlot {
  /// Retired: its URB was given back before the exporter did; what it may still write lies here.
  enum class Kind : std::uint8_t { Free, Urb, Retired } kind = Kind::Free;
  bool cancelled = false;
  std::uint16_t generation = 0;
  std::uint64_t submission = 0;  ///< Counts up.
  usb::Urb urb;
  Payload piece;  ///< The arena's memory for the data, where the URB's own payload is not that.
  Payload packet_table;
};

/// As many slots as the ring has.
class RingClientSlots {
 public:
  void resize(std::uint32_t count) {
    slots_.resize(count);
    free_.clear();
    for (std::uint32_t i = count; i > 0; --i) free_.push_back(static_cast<std::uint16_t>(i - 1));
  }

  [[nodiscard]] bool has_free() const { return !free_.empty(); }
  [[nodiscard]] std::size_t pending() const { return pending_; }
  /// Takes a free slot; returns its tag.
  [[nodiscard]] std::uint32_t take(usb::Urb urb) {
    const auto number = free_.back();
    free_.pop_back();
    auto& slot = slots_[number];
    slot.kind = RingClientSlot::Kind::Urb;
    slot.cancelled = false;
    slot.submission = ++submissions_;
    slot.urb = std::move(urb);
    ++slot.generation;
    ++pending_;
    return std::uint32_t{slot.generation} << 16 | number;
  }
  /// The slot of a tag; null when it is not, or no longer, in use.
  [[nodiscard]] RingClientSlot* find(std::uint32_t tag) {
    const auto number = tag & 0xffff;
    if (number >= slots_.size()) return nullptr;
    auto& slot = slots_[number];
    const bool is_it = slot.kind != RingClientSlot::Kind::Free && slot.generation == tag >> 16;
    return is_it ? &slot : nullptr;
  }
  /// Empties a slot; its URB was taken out.
  void free(std::uint32_t tag) {
    auto& slot = slots_[tag & 0xffff];
    if (slot.kind == RingClientSlot::Kind::Urb) --pending_;
    slot.kind = RingClientSlot::Kind::Free;
    slot.piece.reset();
    slot.packet_table.reset();
    free_.push_back(static_cast<std::uint16_t>(tag));
  }
  /// Takes the URB out; the memory stays with the slot until free().
  [[nodiscard]] usb::Urb retire(RingClientSlot& slot) {
    slot.kind = RingClientSlot::Kind::Retired;
    --pending_;
    return std::move(slot.urb);
  }
  /// Those whose URBs are on their way, in the order of submission.
  [[nodiscard]] std::vector<RingClientSlot*> in_order() {
    std::vector<RingClientSlot*> slots;
    for (auto& slot : slots_) {
      if (slot.kind == RingClientSlot::Kind::Urb) slots.push_back(&slot);
    }
    std::ranges::sort(slots, {}, &RingClientSlot::submission);
    return slots;
  }

 private:
  std::vector<RingClientSlot> slots_;
  std::vector<std::uint16_t> free_;
  std::size_t pending_ = 0;
  std::uint64_t submissions_ = 0;
};

}  // namespace periprox::session
