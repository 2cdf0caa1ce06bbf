// What a session wants written: headers and small payloads copied together, large payloads as they
// lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "periprox/base/bytes.hpp"
#include "periprox/base/payload.hpp"
#include "periprox/base/ring_queue.hpp"

namespace periprox::session {

/// The writing half of a session: a queue of bytes in order. Not thread-safe.
class Sender {
 public:
  /// Appends a copy of `bytes`.
  void put(Bytes bytes);
  /// Appends the first `count` bytes of a payload and keeps it until they are written. Small ones
  /// are copied, and the payload is given back at once.
  void put_payload(Payload payload, std::size_t count);
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void put_struct(const T& value) {
    if (room() < sizeof(T)) {
      put(bytes_of(value));
    } else {
      std::memcpy(extend(sizeof(T)), &value, sizeof(T));  // Of a known size: no call.
    }
  }

  /// Bytes that were put and not yet written.
  [[nodiscard]] std::size_t queued() const { return queued_; }
  /// Bytes of memory that they hold: a payload counts whole, however little of it is to be written.
  [[nodiscard]] std::size_t memory() const { return queued_ + slack_; }
  /// Fills `segments` from the front of the queue; returns how many.
  [[nodiscard]] std::size_t gather(std::span<Bytes> segments);
  void written(std::size_t count);
  /// Forgets everything that was not written.
  void clear();

  /// Up to here a copy is cheaper than a segment of its own (measured by bench/).
  static constexpr std::size_t kCopySize = 2048;

 private:
  struct Segment {
    const std::byte* data = nullptr;
    std::size_t size = 0;
    Payload payload;  // Kept until the segment is written.
    std::unique_ptr<std::byte[]>
        retired;  // A full block, whose last bytes stand before this segment.
  };
  static constexpr std::size_t kBlockSize = 16 * 1024;

  /// Bytes that fit into the block.
  [[nodiscard]] std::size_t room() const {
    return block_ == nullptr ? 0 : kBlockSize - block_used_;
  }
  std::byte* extend(std::size_t size);
  void drop_front();

  RingQueue<Segment> segments_;
  std::unique_ptr<std::byte[]> block_;  // Small things are copied here.
  std::size_t block_used_ = 0;
  std::size_t front_written_ = 0;  // Of the front segment.
  std::size_t queued_ = 0;
  std::size_t slack_ = 0;  // Of the queued payloads: what is held beyond what is to be written.
};

}  // namespace periprox::session
