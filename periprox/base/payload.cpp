// Size classes are powers of two from 64 bytes to 1 GiB. A returned piece is linked into the free
// list of its class through its own first bytes; nothing else is stored about it.
#include "periprox/base/payload.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <new>

namespace periprox {
namespace {

constexpr unsigned kSmallestClass = 6;  // 64 bytes
constexpr unsigned kLargestClass = 30;  // 1 GiB
// Cache-line aligned, so that two payloads never share a line.
constexpr std::align_val_t kAlignment{64};

struct FreePiece {
  FreePiece* next;
};

}  // namespace

struct PayloadPool::Shelf final : PayloadOwner {
  explicit Shelf(std::size_t keep) : keep_bytes(keep) {}
  ~Shelf() {
    for (FreePiece* piece : free) {
      while (piece != nullptr) ::operator delete(std::exchange(piece, piece->next), kAlignment);
    }
  }

  void release(std::byte* data, std::uint32_t capacity, std::uint64_t tag) noexcept override {
    bytes_out -= capacity;
    if (!orphaned && kept_bytes + capacity <= keep_bytes) {
      free[tag] = ::new (data) FreePiece{free[tag]};
      kept_bytes += capacity;
    } else {
      ::operator delete(data, kAlignment);
    }
    if (--pieces_out == 0 && orphaned) delete this;
  }

  std::array<FreePiece*, kLargestClass + 1> free{};
  std::size_t keep_bytes;
  std::size_t kept_bytes = 0;
  std::size_t bytes_out = 0;
  std::size_t pieces_out = 0;
  bool orphaned = false;
};

PayloadPool::PayloadPool(std::size_t keep_bytes) : shelf_(new Shelf(keep_bytes)) {}

PayloadPool::~PayloadPool() {
  shelf_->orphaned = true;
  if (shelf_->pieces_out == 0) delete shelf_;
}

Payload PayloadPool::allocate(std::uint32_t size) {
  if (size == 0 || size > std::uint32_t{1} << kLargestClass) return {};
  const auto size_class = std::max(kSmallestClass, static_cast<unsigned>(std::bit_width(size - 1)));
  const auto capacity = std::uint32_t{1} << size_class;
  std::byte* data = nullptr;
  if (FreePiece* piece = shelf_->free[size_class]; piece != nullptr) {
    shelf_->free[size_class] = piece->next;
    shelf_->kept_bytes -= capacity;
    data = reinterpret_cast<std::byte*>(piece);
  } else {
    data = static_cast<std::byte*>(::operator new(capacity, kAlignment, std::nothrow));
    if (data == nullptr) return {};
  }
  shelf_->bytes_out += capacity;
  ++shelf_->pieces_out;
  return {*shelf_, data, capacity, size_class};
}

std::size_t PayloadPool::bytes_in_use() const { return shelf_->bytes_out; }

}  // namespace periprox
