#include "periprox/physical/mapped_pool.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

namespace periprox::physical {
namespace {

constexpr unsigned kSmallestClass = 6;        // 64 bytes
constexpr unsigned kLargestSharedClass = 12;  // 4 KiB: up to here payloads share a block
constexpr unsigned kLargestClass = 22;  // 4 MiB: larger contiguous memory is hardly ever there
constexpr std::size_t kSharedBlock = std::size_t{64} << 10;
// Before each payload of a shared block; a cache line, so that two payloads never share one.
constexpr std::size_t kRoom = 64;
static_assert(kRoom >= MappedPool::kSetupRoom);

}  // namespace

struct MappedPool::Shelf final : PayloadOwner {
  /// The pieces of one size that are free.
  struct Stack {
    void put(std::byte* piece) { places[count++] = piece; }

    std::vector<std::byte*> places;  // Room for all that were made.
    std::size_t count = 0;
    std::size_t made = 0;
  };

  Shelf(std::shared_ptr<Usbfs> file, std::size_t most) : usbfs(std::move(file)), limit(most) {}
  ~Shelf() {
    for (std::byte* block : shared_blocks) usbfs->unmap(block, kSharedBlock);
    trim();
  }

  void release(std::byte* data, std::uint32_t capacity, std::uint64_t tag) noexcept override {
    (void)capacity;
    free[tag].put(data);
    if (--pieces_out == 0 && orphaned) delete this;
  }

  std::byte* take(unsigned size_class) {
    Stack& pieces = free[size_class];
    if (pieces.count == 0 && !grow(size_class)) return nullptr;
    ++pieces_out;
    return pieces.places[--pieces.count];
  }

  [[gnu::noinline]] bool grow(unsigned size_class) {
    const std::size_t size = std::size_t{1} << size_class;
    if (size_class > kLargestSharedClass) {
      std::byte* block = map(size);
      if (block != nullptr) add(size_class, block);
      return block != nullptr;
    }
    std::byte* block = map(kSharedBlock);
    if (block == nullptr) return false;
    shared_blocks.push_back(block);
    for (std::size_t at = kRoom; at + size <= kSharedBlock; at += size + kRoom) {
      add(size_class, block + at);
    }
    return true;
  }

  void add(unsigned size_class, std::byte* piece) {
    Stack& pieces = free[size_class];
    pieces.places.resize(++pieces.made);
    pieces.put(piece);
  }

  std::byte* map(std::size_t size) {
    if (refused || size > limit) return nullptr;
    if (mapped + size > limit) trim();
    if (mapped + size > limit) return nullptr;
    std::byte* block = usbfs->map(size);
    if (block != nullptr) {
      mapped += size;
    } else if (mapped == 0) {
      refused = true;  // Not even the first: this kernel or this node does not map.
    }
    return block;
  }

  void trim() {
    for (unsigned size_class = kLargestSharedClass + 1; size_class <= kLargestClass; ++size_class) {
      Stack& pieces = free[size_class];
      for (; pieces.count > 0; --pieces.made) {
        usbfs->unmap(pieces.places[--pieces.count], std::size_t{1} << size_class);
        mapped -= std::size_t{1} << size_class;
      }
    }
  }

  std::shared_ptr<Usbfs> usbfs;
  std::size_t limit;
  std::size_t mapped = 0;
  bool refused = false;
  bool orphaned = false;
  std::size_t pieces_out = 0;
  std::array<Stack, kLargestClass + 1> free;
  std::vector<std::byte*> shared_blocks;
};

MappedPool::MappedPool(std::shared_ptr<Usbfs> usbfs, std::size_t mapped_limit)
    : shelf_(new Shelf(std::move(usbfs), mapped_limit)) {}

MappedPool::~MappedPool() {
  shelf_->orphaned = true;
  if (shelf_->pieces_out == 0) delete shelf_;
}

Payload MappedPool::allocate(std::uint32_t size) {
  if (size == 0) return {};
  const auto size_class = std::max(kSmallestClass, static_cast<unsigned>(std::bit_width(size - 1)));
  if (size_class <= kLargestClass) {
    if (std::byte* piece = shelf_->take(size_class); piece != nullptr) {
      return {*shelf_, piece, std::uint32_t{1} << size_class, size_class};
    }
  }
  return heap_.allocate(size);
}

bool MappedPool::has_setup_room(const Payload& payload) const {
  return payload.owner() == shelf_ && payload.tag() <= kLargestSharedClass;
}

void MappedPool::trim() { shelf_->trim(); }

std::size_t MappedPool::mapped_bytes() const { return shelf_->mapped; }

}  // namespace periprox::physical
