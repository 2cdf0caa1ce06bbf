// The bytes of a transfer, wherever they live: pooled heap, memory of usbfs, a slot of a ring.
//
// A session reads from its socket straight into a Payload that the device handed out, and writes a
// Payload straight to its socket. Who owns the memory is behind PayloadOwner, so that no room knows
// what kind of memory another room uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "periprox/base/bytes.hpp"

namespace periprox {

class PayloadOwner;

/// A piece of memory for the data of one transfer; move-only, given back to its owner when dropped.
/// Not thread-safe: it stays on the loop of the device it came from.
class Payload {
 public:
  Payload() = default;
  /// `tag` is the owner's own note about this piece (a slot number, a size class).
  Payload(PayloadOwner& owner, std::byte* data, std::uint32_t capacity, std::uint64_t tag = 0)
      : data_(data), owner_(&owner), tag_(tag), capacity_(capacity) {}
  Payload(Payload&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        owner_(std::exchange(other.owner_, nullptr)),
        tag_(other.tag_),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Payload& operator=(Payload&& other) noexcept {
    if (this != &other) {
      reset();
      data_ = std::exchange(other.data_, nullptr);
      owner_ = std::exchange(other.owner_, nullptr);
      tag_ = other.tag_;
      capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
  }
  ~Payload() { reset(); }

  /// True when there is memory (a transfer of 0 bytes has none).
  [[nodiscard]] explicit operator bool() const { return data_ != nullptr; }
  [[nodiscard]] std::byte* data() const { return data_; }
  /// How many bytes fit; how many mean something is the URB's length or actual_length.
  [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
  [[nodiscard]] MutableBytes first(std::size_t count) const { return {data_, count}; }
  [[nodiscard]] PayloadOwner* owner() const { return owner_; }
  [[nodiscard]] std::uint64_t tag() const { return tag_; }

  /// Gives the memory back now.
  void reset();

 private:
  std::byte* data_ = nullptr;
  PayloadOwner* owner_ = nullptr;
  std::uint64_t tag_ = 0;
  std::uint32_t capacity_ = 0;
};

/// Takes payload memory back. Outlives every Payload that names it.
class PayloadOwner {
 public:
  virtual void release(std::byte* data, std::uint32_t capacity, std::uint64_t tag) noexcept = 0;

 protected:
  ~PayloadOwner() = default;
};

inline void Payload::reset() {
  if (data_ != nullptr) {
    auto* owner = std::exchange(owner_, nullptr);
    owner->release(std::exchange(data_, nullptr), std::exchange(capacity_, 0), tag_);
  }
}

/// Hands out heap memory in power-of-two size classes and keeps a bounded amount for reuse, so that
/// nothing is allocated per URB once warm. The memory is not cleared. Not thread-safe.
class PayloadPool {
 public:
  /// Keeps at most `keep_bytes` of returned memory for reuse.
  explicit PayloadPool(std::size_t keep_bytes = kDefaultKeepBytes);
  ~PayloadPool();
  PayloadPool(const PayloadPool&) = delete;
  PayloadPool& operator=(const PayloadPool&) = delete;

  /// At least `size` bytes; a Payload without memory when size is 0 or the system has no more.
  /// The Payload may outlive the pool.
  [[nodiscard]] Payload allocate(std::uint32_t size);
  /// Bytes handed out and not yet returned (of the size classes, not of the requests).
  [[nodiscard]] std::size_t bytes_in_use() const;

  static constexpr std::size_t kDefaultKeepBytes = std::size_t{32} << 20;

 private:
  struct Shelf;
  Shelf* shelf_;  // Lives until the pool and the last of its payloads are gone.
};

}  // namespace periprox
