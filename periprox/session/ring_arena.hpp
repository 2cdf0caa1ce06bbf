// The arena of a ring: memory for the data of URBs that both sides see.
//
// The importer gives it out. One bit stands for 512 bytes; a run of bits is taken with
// compare-and-swap, word by word, so several threads may do it at once without a lock, and what is
// given back joins its neighbours by itself. The bits are the importer's own memory: the exporter
// cannot reach them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "periprox/base/payload.hpp"
#include "periprox/session/ring_memory.hpp"

namespace periprox::session {

/// Gives out pieces of an arena. Lock-free; any thread. Its payloads may outlive it, and keep the
/// memory mapped.
class RingArena {
 public:
  RingArena(const RingMemory& memory, const wire::ring::Layout& layout);
  ~RingArena();
  RingArena(const RingArena&) = delete;
  RingArena& operator=(const RingArena&) = delete;

  /// At least `size` bytes; empty when size is 0 or no run of that length is free.
  [[nodiscard]] Payload allocate(std::uint32_t size);
  /// True for a payload that came from here.
  [[nodiscard]] bool owns(const Payload& payload) const;
  /// Where a payload of this arena lies in it.
  [[nodiscard]] std::uint64_t offset_of(const Payload& payload) const;
  [[nodiscard]] MutableBytes bytes() const;
  /// Bytes given out now, in whole units.
  [[nodiscard]] std::uint64_t bytes_in_use() const;

  static constexpr std::uint32_t kUnit = 512;

 private:
  struct Shelf;
  Shelf* shelf_;  // Lives until the arena and the last of its payloads are gone.
};

/// The exporter's view: payloads that name places of the arena and give nothing back. They may
/// outlive it, and keep the memory mapped. One thread.
class BorrowedArena {
 public:
  BorrowedArena(const RingMemory& memory, const wire::ring::Layout& layout);
  ~BorrowedArena();
  BorrowedArena(const BorrowedArena&) = delete;
  BorrowedArena& operator=(const BorrowedArena&) = delete;

  /// `length` bytes at `offset`, which lie inside; empty when length is 0.
  [[nodiscard]] Payload lend(std::uint64_t offset, std::uint32_t length);
  /// The bytes themselves.
  [[nodiscard]] MutableBytes at(std::uint64_t offset, std::uint64_t length) const;

 private:
  struct Shelf;
  Shelf* shelf_;
};

}  // namespace periprox::session
