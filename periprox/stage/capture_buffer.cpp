#include "periprox/stage/capture_buffer.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

namespace periprox::stage {
namespace {

/// Bytes of the ring that are worth keeping in a processor's cache.
constexpr std::size_t kWarm = std::size_t{64} << 10;

}  // namespace

CaptureBuffer::CaptureBuffer(std::size_t capacity)
    : capacity_(capacity), ring_(std::make_unique_for_overwrite<std::byte[]>(capacity)) {
  if (!std::has_single_bit(capacity)) std::abort();
}

CaptureSource& CaptureBuffer::add_interface(const wire::pcapng::InterfaceInfo& interface) {
  const std::lock_guard lock(mutex_);
  auto& source = sources_.emplace_back();
  source.interface_id = static_cast<std::uint32_t>(sources_.size() - 1);
  const auto block = wire::pcapng::encode_interface(interface);
  heads_.insert(heads_.end(), block.begin(), block.end());
  return source;
}

void CaptureBuffer::add_head(Bytes blocks) {
  {
    const std::lock_guard lock(mutex_);
    heads_.insert(heads_.end(), blocks.begin(), blocks.end());
    heads_size_.store(heads_.size(), std::memory_order_seq_cst);
  }
  wake();
}

std::size_t CaptureBuffer::place_of(std::uint64_t position) const {
  return (position - base_.load(std::memory_order_relaxed)) & (capacity_ - 1);
}

MutableBytes CaptureBuffer::reserve(std::size_t size) {
  reserved_from_ = written_.load(std::memory_order_relaxed);
  auto place = place_of(reserved_from_);
  if (place >= kWarm && read_.load(std::memory_order_acquire) == reserved_from_) {
    base_.store(reserved_from_, std::memory_order_relaxed);
    gap_.store(kNoGap, std::memory_order_relaxed);  // One that was never committed.
    place = 0;
  }
  const std::size_t skipped = size > capacity_ - place ? capacity_ - place : 0;
  if (reserved_from_ + skipped + size > read_seen_ + capacity_) {
    read_seen_ = read_.load(std::memory_order_acquire);
    if (reserved_from_ + skipped + size > read_seen_ + capacity_) return {};
  }
  // Known to the reader no later than what is written behind it.
  if (skipped != 0) gap_.store(reserved_from_, std::memory_order_relaxed);
  reserved_to_ = reserved_from_ + skipped + size;
  return {ring_.get() + place_of(reserved_from_ + skipped), size};
}

void CaptureBuffer::commit() {
  written_.store(reserved_to_, std::memory_order_seq_cst);
  wake();
}

void CaptureBuffer::wake() {
  if (asleep_.load(std::memory_order_seq_cst) != 0) {
    asleep_.store(0);
    asleep_.notify_one();
  }
}

void CaptureBuffer::stop() {
  stopped_.store(true, std::memory_order_seq_cst);
  wake();
}

bool CaptureBuffer::has_unread() const {
  return written_.load(std::memory_order_seq_cst) != read_.load(std::memory_order_relaxed);
}

bool CaptureBuffer::wait(std::size_t heads_seen) {
  const auto has_work = [&] {
    return has_unread() || heads_size_.load(std::memory_order_seq_cst) > heads_seen;
  };
  while (!has_work()) {
    if (stopped()) return has_work();
    asleep_.store(1, std::memory_order_seq_cst);
    if (has_work() || stopped()) {
      asleep_.store(0);
      continue;
    }
    asleep_.wait(1);
  }
  return true;
}

Bytes CaptureBuffer::front() {
  const auto written = written_.load(std::memory_order_acquire);
  const auto gap = gap_.load(std::memory_order_relaxed);
  auto read = read_.load(std::memory_order_relaxed);
  const auto lap_end = [this](std::uint64_t position) {
    return position + capacity_ - place_of(position);
  };
  if (read == gap && read != written) {
    read = lap_end(read);
    read_.store(read, std::memory_order_release);
  }
  auto end = std::min(written, lap_end(read));
  if (gap >= read && gap < end) end = gap;
  return {ring_.get() + place_of(read), static_cast<std::size_t>(end - read)};
}

void CaptureBuffer::consume(std::size_t size) {
  read_.store(read_.load(std::memory_order_relaxed) + size, std::memory_order_release);
}

std::vector<std::byte> CaptureBuffer::heads(std::size_t offset) const {
  const std::lock_guard lock(mutex_);
  if (offset >= heads_.size()) return {};
  return {heads_.begin() + static_cast<std::ptrdiff_t>(offset), heads_.end()};
}

std::uint64_t CaptureBuffer::dropped() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  for (const auto& source : sources_) count += source.dropped;
  return count;
}

std::vector<std::byte> CaptureBuffer::statistics(std::uint64_t time) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::byte> blocks;
  for (const auto& source : sources_) {
    const auto block =
        wire::pcapng::encode_statistics(source.interface_id, time, source.received, source.dropped);
    blocks.insert(blocks.end(), block.begin(), block.end());
  }
  return blocks;
}

}  // namespace periprox::stage
