// Captured blocks on their way from the thread of the event loop to the thread that writes them.
//
// A ring of whole pcapng blocks with one writer and one reader. Whoever captures never waits: when
// there is no room, the record is dropped and counted. What every file has to begin with (interface
// descriptions, the descriptors of devices) is kept aside, because it is few and must not be
// dropped, and because each further file of a row begins with it again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/wire/pcapng.hpp"

namespace periprox::stage {

/// What a capture has of one device.
struct CaptureSource {
  std::uint32_t interface_id = 0;
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> dropped{0};
};

/// The thread that captures calls the functions of the first half, the thread that writes those of
/// the second.
class CaptureBuffer final {
 public:
  /// `capacity` is a power of two; a block takes at most half of it.
  explicit CaptureBuffer(std::size_t capacity = kDefaultCapacity);
  CaptureBuffer(const CaptureBuffer&) = delete;
  CaptureBuffer& operator=(const CaptureBuffer&) = delete;

  /// Adds an interface; the source lives as long as the buffer.
  CaptureSource& add_interface(const wire::pcapng::InterfaceInfo& interface);
  /// Adds blocks to what every file begins with.
  void add_head(Bytes blocks);
  /// Room for one block; empty when there is none. Nothing is written until commit().
  [[nodiscard]] MutableBytes reserve(std::size_t size);
  /// The block in the room that was reserved last is complete.
  void commit();
  /// Wakes wait() for good.
  void stop();

  /// Waits until there is something to read, or more than `heads_seen` bytes of heads; false when
  /// there is nothing any more and stop() was called.
  bool wait(std::size_t heads_seen);
  [[nodiscard]] bool stopped() const { return stopped_.load(std::memory_order_seq_cst); }
  /// Whole blocks that can be written now, all of them in one piece or up to where the ring wraps.
  /// Valid until consume(). To be asked for before heads(), so that no packet comes before its
  /// interface.
  [[nodiscard]] Bytes front();
  void consume(std::size_t size);
  /// What every file begins with, from byte `offset` on.
  [[nodiscard]] std::vector<std::byte> heads(std::size_t offset) const;
  /// Records that found no room, of all interfaces.
  [[nodiscard]] std::uint64_t dropped() const;
  /// A statistics block for each interface.
  [[nodiscard]] std::vector<std::byte> statistics(std::uint64_t time) const;

  static constexpr std::size_t kDefaultCapacity = std::size_t{16} << 20;

 private:
  static constexpr std::uint64_t kNoGap = ~std::uint64_t{0};

  [[nodiscard]] bool has_unread() const;
  [[nodiscard]] std::size_t place_of(std::uint64_t position) const;
  void wake();

  const std::size_t capacity_;
  const std::unique_ptr<std::byte[]> ring_;
  // Positions only grow; a place in the ring is the distance from base_, modulo its capacity. No
  // block wraps: what is left before the end is skipped. One such gap is all that the reader can
  // have before it. When the reader has caught up, the base moves to where the next block comes,
  // for the ring's beginning is still in the cache; so it never moves while anything is unread.
  alignas(64) std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> gap_{kNoGap};  // Where the last one begins.
  std::atomic<std::uint64_t> base_{0};
  std::uint64_t reserved_from_ = 0;
  std::uint64_t reserved_to_ = 0;
  std::uint64_t read_seen_ = 0;
  alignas(64) std::atomic<std::uint64_t> read_{0};
  alignas(64) std::atomic<std::uint32_t> asleep_{0};
  std::atomic<bool> stopped_{false};
  std::atomic<std::size_t> heads_size_{0};

  mutable std::mutex mutex_;  // Guards what follows; never taken for an URB.
  std::vector<std::byte> heads_;
  std::deque<CaptureSource> sources_;
};

}  // namespace periprox::stage
