// A run that fits into one word (32 KiB) is found by folding the word of free bits onto itself; a
// longer one takes whole words and, if one of them is lost to another thread, gives back those it
// has.
#include "periprox/session/ring_arena.hpp"

#include <bit>
#include <vector>

namespace periprox::session {
namespace {

constexpr std::uint64_t kBitsPerWord = 64;
constexpr std::uint64_t kAll = ~std::uint64_t{0};

std::uint64_t run_of(std::uint64_t bits) {
  return bits == kBitsPerWord ? kAll : (std::uint64_t{1} << bits) - 1;
}

/// The lowest place of `length` consecutive ones in `free`; 64 when there is none.
unsigned find_run(std::uint64_t free, std::uint64_t length) {
  // After folding with steps 1, 2, 4, ..., bit i says that bits i to i + folded - 1 are all set.
  std::uint64_t folded = 1;
  while (folded < length && free != 0) {
    const auto step = std::min(folded, length - folded);
    free &= free >> step;
    folded += step;
  }
  return static_cast<unsigned>(std::countr_zero(free));
}

}  // namespace

struct RingArena::Shelf final : PayloadOwner {
  Shelf(const RingMemory& memory, const wire::ring::Layout& layout)
      : keep(memory.keep),
        arena(memory.bytes.subspan(layout.arena_offset, layout.arena_size)),
        used((arena.size() / kUnit + kBitsPerWord - 1) / kBitsPerWord) {
    // Bits beyond the end are taken for good.
    const auto units = arena.size() / kUnit;
    if (const auto rest = units % kBitsPerWord; rest != 0) used.back() = ~run_of(rest);
  }

  void release(std::byte* data, std::uint32_t capacity, std::uint64_t /*tag*/) noexcept override {
    const auto first = static_cast<std::uint64_t>(data - arena.data()) / kUnit;
    const auto units = capacity / kUnit;
    auto word = first / kBitsPerWord;
    if (units < kBitsPerWord) {
      used[word].fetch_and(~(run_of(units) << first % kBitsPerWord), std::memory_order_release);
    } else {
      for (std::uint64_t i = 0; i < units / kBitsPerWord; ++i) {
        used[word++].store(0, std::memory_order_release);
      }
    }
    units_out.fetch_sub(units, std::memory_order_relaxed);
    drop_reference();
  }

  void drop_reference() noexcept {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  Payload hand_out(std::uint64_t first, std::uint64_t units) {
    references.fetch_add(1, std::memory_order_relaxed);
    units_out.fetch_add(units, std::memory_order_relaxed);
    return {*this, arena.data() + first * kUnit, static_cast<std::uint32_t>(units * kUnit)};
  }

  Payload take_in_one_word(std::uint64_t units) {
    const auto start = hint.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < used.size(); ++i) {
      const auto number = (start + i) % used.size();
      auto& word = used[number];
      auto taken = word.load(std::memory_order_relaxed);
      for (auto place = find_run(~taken, units); place < kBitsPerWord;
           place = find_run(~taken, units)) {
        if (word.compare_exchange_weak(taken, taken | run_of(units) << place,
                                       std::memory_order_acquire, std::memory_order_relaxed)) {
          hint.store(number, std::memory_order_relaxed);
          return hand_out(number * kBitsPerWord + place, units);
        }
      }
    }
    return {};
  }

  Payload take_words(std::uint64_t words) {
    for (std::size_t first = 0; first + words <= used.size();) {
      std::size_t got = 0;
      for (; got < words; ++got) {
        std::uint64_t none = 0;
        if (!used[first + got].compare_exchange_strong(none, kAll, std::memory_order_acquire))
          break;
      }
      if (got == words) return hand_out(first * kBitsPerWord, words * kBitsPerWord);
      for (std::size_t i = 0; i < got; ++i) used[first + i].store(0, std::memory_order_release);
      first += got + 1;
    }
    return {};
  }

  std::shared_ptr<const void> keep;
  MutableBytes arena;
  std::vector<std::atomic<std::uint64_t>> used;
  std::atomic<std::size_t> hint{0};  // Where the last short run was found.
  std::atomic<std::uint64_t> units_out{0};
  std::atomic<std::size_t> references{1};  // The arena's own, and one for each payload.
};

RingArena::RingArena(const RingMemory& memory, const wire::ring::Layout& layout)
    : shelf_(new Shelf(memory, layout)) {}

RingArena::~RingArena() { shelf_->drop_reference(); }

Payload RingArena::allocate(std::uint32_t size) {
  if (size == 0) return {};
  const auto units = (std::uint64_t{size} + kUnit - 1) / kUnit;
  if (units < kBitsPerWord) return shelf_->take_in_one_word(units);
  return shelf_->take_words((units + kBitsPerWord - 1) / kBitsPerWord);
}

bool RingArena::owns(const Payload& payload) const { return payload.owner() == shelf_; }

std::uint64_t RingArena::offset_of(const Payload& payload) const {
  return static_cast<std::uint64_t>(payload.data() - shelf_->arena.data());
}

MutableBytes RingArena::bytes() const { return shelf_->arena; }

std::uint64_t RingArena::bytes_in_use() const {
  return shelf_->units_out.load(std::memory_order_relaxed) * kUnit;
}

struct BorrowedArena::Shelf final : PayloadOwner {
  void release(std::byte* /*data*/, std::uint32_t /*capacity*/,
               std::uint64_t /*tag*/) noexcept override {
    if (--references == 0) delete this;
  }

  std::shared_ptr<const void> keep;
  MutableBytes arena;
  std::size_t references = 1;
};

BorrowedArena::BorrowedArena(const RingMemory& memory, const wire::ring::Layout& layout)
    : shelf_(new Shelf) {
  shelf_->keep = memory.keep;
  shelf_->arena = memory.bytes.subspan(layout.arena_offset, layout.arena_size);
}

BorrowedArena::~BorrowedArena() {
  if (--shelf_->references == 0) delete shelf_;
}

Payload BorrowedArena::lend(std::uint64_t offset, std::uint32_t length) {
  if (length == 0) return {};
  ++shelf_->references;
  return {*shelf_, shelf_->arena.data() + offset, length};
}

MutableBytes BorrowedArena::at(std::uint64_t offset, std::uint64_t length) const {
  return shelf_->arena.subspan(offset, length);
}

}  // namespace periprox::session
