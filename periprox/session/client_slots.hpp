// What the seqnums of a client session stand for.
//
// A seqnum is a slot number and the slot's generation, so that an answer is matched without
// searching, and one that comes twice or too late is noticed.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/base/ring_queue.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::session {

struct ClientSlot {
  /// Retired: its URB was given back before the server answered; a late answer must be read away.
  enum class Kind : std::uint8_t { Free, Urb, Unlink, Retired } kind = Kind::Free;
  bool is_in = false;
  bool is_iso = false;
  bool unlinked = false;  ///< Urb: a CMD_UNLINK is on its way.
  std::uint16_t generation = 0;
  std::uint16_t unlink_target = 0;  ///< Unlink: the slot of its URB, and that slot's generation.
  std::uint16_t target_generation = 0;
  std::uint32_t length = 0;  ///< Urb and Retired: what an answer may carry.
  std::uint32_t packets = 0;
  std::uint64_t submission = 0;  ///< Urb: counts up.
  TimePoint unlink_deadline{};
  usb::Urb urb;
};

/// A slab of slots. References are valid until the next take().
class ClientSlots {
 public:
  using Number = std::uint16_t;

  /// A free slot, in a new generation; empty when all 65535 are in use.
  [[nodiscard]] std::optional<Number> take();
  void free(Number number);
  /// Keeps a slot from being used again for a while.
  void retire(Number number);

  [[nodiscard]] ClientSlot& operator[](Number number) { return slots_[number]; }
  [[nodiscard]] const ClientSlot& operator[](Number number) const { return slots_[number]; }
  /// Never 0.
  [[nodiscard]] std::uint32_t seqnum_of(Number number) const;
  /// The slot that a seqnum names; empty when it is of another generation.
  [[nodiscard]] std::optional<Number> find(std::uint32_t seqnum) const;
  /// The slot of the URB that an Unlink slot is about, if that URB is still on its way.
  [[nodiscard]] std::optional<Number> target_of(const ClientSlot& unlink) const;
  /// The slots whose URBs are on their way, in the order in which those were submitted.
  [[nodiscard]] std::vector<Number> urbs_in_order() const;

 private:
  static constexpr std::size_t kMaxSlots = 0xffff;
  static constexpr std::size_t kMaxRetired = 1024;

  std::vector<ClientSlot> slots_;
  std::vector<Number> free_;
  RingQueue<Number> retired_;
};

}  // namespace periprox::session
