#include "periprox/session/sender.hpp"

#include <algorithm>
#include <cstring>

namespace periprox::session {

void Sender::put(Bytes bytes) {
  queued_ += bytes.size();
  while (!bytes.empty()) {
    if (block_ == nullptr || block_used_ == kBlockSize) {
      // The full block lives on in an empty segment: when that is reached, all before it is
      // written.
      if (block_ != nullptr) segments_.push({.data = nullptr, .retired = std::move(block_)});
      block_ = std::make_unique_for_overwrite<std::byte[]>(kBlockSize);
      block_used_ = 0;
    }
    const auto part = bytes.first(std::min(bytes.size(), kBlockSize - block_used_));
    copy_in(part);
    bytes = bytes.subspan(part.size());
  }
}

void Sender::copy_in(Bytes bytes) {
  std::byte* place = block_.get() + block_used_;
  std::memcpy(place, bytes.data(), bytes.size());
  block_used_ += bytes.size();
  if (!segments_.empty() && segments_.back().data != nullptr &&
      segments_.back().data + segments_.back().size == place && !segments_.back().payload) {
    segments_.back().size += bytes.size();
  } else {
    segments_.push({.data = place, .size = bytes.size()});
  }
}

void Sender::put_payload(Payload payload, std::size_t count) {
  if (count == 0) return;
  if (count <= kCopySize) {
    put(payload.first(count));
    return;
  }
  queued_ += count;
  slack_ += payload.capacity() - count;
  const auto* data = payload.data();
  segments_.push({.data = data, .size = count, .payload = std::move(payload)});
}

std::size_t Sender::gather(std::span<Bytes> segments) {
  std::size_t used = 0;
  for (std::size_t i = 0; i < segments_.size() && used < segments.size(); ++i) {
    const auto& segment = segments_[i];
    const std::size_t skip = i == 0 ? front_written_ : 0;
    if (segment.size > skip) segments[used++] = {segment.data + skip, segment.size - skip};
  }
  return used;
}

void Sender::written(std::size_t count) {
  queued_ -= count;
  while (!segments_.empty()) {
    const auto& front = segments_.front();
    const std::size_t left = front.size - front_written_;
    if (left > count) {
      front_written_ += count;
      break;
    }
    count -= left;
    front_written_ = 0;
    if (front.payload) slack_ -= front.payload.capacity() - front.size;
    segments_.pop();
  }
  if (segments_.empty()) block_used_ = 0;
}

void Sender::clear() {
  while (!segments_.empty()) segments_.pop();
  front_written_ = 0;
  block_used_ = 0;
  queued_ = 0;
  slack_ = 0;
}

}  // namespace periprox::session
