#include "periprox/session/sender.hpp"

#include <algorithm>

namespace periprox::session {

void Sender::put(Bytes bytes) {
  while (!bytes.empty()) {
    if (room() == 0) {
      // The full block lives on in an empty segment: when that is reached, all before it is
      // written.
      if (block_ != nullptr) segments_.emplace().retired = std::move(block_);
      block_ = std::make_unique_for_overwrite<std::byte[]>(kBlockSize);
      block_used_ = 0;
    }
    const auto part = bytes.first(std::min(bytes.size(), room()));
    std::memcpy(extend(part.size()), part.data(), part.size());
    bytes = bytes.subspan(part.size());
  }
}

/// The next `size` bytes of the block, which has room for them, queued and to be filled.
std::byte* Sender::extend(std::size_t size) {
  std::byte* const place = block_.get() + block_used_;
  block_used_ += size;
  queued_ += size;
  if (!segments_.empty()) {
    Segment& last = segments_.back();
    if (last.data + last.size == place && !last.payload) {
      last.size += size;
      return place;
    }
  }
  Segment& next = segments_.emplace();
  next.data = place;
  next.size = size;
  return place;
}

void Sender::put_payload(Payload payload, std::size_t count) {
  if (count == 0) return;
  if (count <= kCopySize) {
    put(payload.first(count));
    return;
  }
  queued_ += count;
  slack_ += payload.capacity() - count;
  Segment& segment = segments_.emplace();
  segment.data = payload.data();
  segment.size = count;
  segment.payload = std::move(payload);
}

std::size_t Sender::gather(std::span<Bytes> segments) {
  const std::size_t count = segments_.size();
  std::size_t used = 0;
  std::size_t skip = front_written_;
  for (std::size_t i = 0; i < count && used < segments.size(); ++i) {
    const auto& segment = segments_[i];
    if (segment.size > skip) segments[used++] = {segment.data + skip, segment.size - skip};
    skip = 0;
  }
  return used;
}

void Sender::written(std::size_t count) {
  queued_ -= count;
  while (!segments_.empty()) {
    const std::size_t left = segments_.front().size - front_written_;
    if (left > count) {
      front_written_ += count;
      return;
    }
    count -= left;
    front_written_ = 0;
    drop_front();
  }
  block_used_ = 0;
}

void Sender::drop_front() {
  Segment& front = segments_.front();
  if (front.payload) {
    slack_ -= front.payload.capacity() - front.size;
    front.payload.reset();
  }
  front.retired.reset();
  front.data = nullptr;
  front.size = 0;
  segments_.drop_front();
}

void Sender::clear() {
  while (!segments_.empty()) drop_front();
  front_written_ = 0;
  block_used_ = 0;
  queued_ = 0;
}

}  // namespace periprox::session
