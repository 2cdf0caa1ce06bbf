#include "periprox/session/receiver.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace periprox::session {

std::span<const MutableBytes> Receiver::places() {
  std::size_t count = 0;
  if (!target_.empty()) places_[count++] = target_;
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ != 0) {
    compact();
  }
  // Behind a large payload only one header is welcome: more would be the start of the next payload,
  // which then had to be copied.
  const bool one_header = large_payloads_ && end_ < header_size_;
  const std::size_t wanted =
      one_header ? kSmallStage : std::max(end_ + header_size_, busy_ ? kLargeStage : kSmallStage);
  if (capacity_ < wanted) grow(wanted);
  places_[count++] = {stage_.get() + end_, (one_header ? header_size_ : capacity_) - end_};
  return {places_.data(), count};
}

void Receiver::advance(std::size_t count) {
  const std::size_t direct = std::min(count, target_.size());
  target_ = target_.subspan(direct);
  taken_ += direct;
  end_ += count - direct;
  // A read that filled the whole area says that more is waiting: take more at a time from now on.
  if (end_ == capacity_) busy_ = true;
  if (to_skip_ > 0) {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(to_skip_, staged()));
    consume(skipped);
    to_skip_ -= skipped;
  }
}

std::optional<std::string> Receiver::take_line() {
  const std::string_view text(reinterpret_cast<const char*>(stage_.get() + begin_), staged());
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  std::string line(text.substr(0, end));
  consume(end + 1);
  return line;
}

void Receiver::fill(MutableBytes target) {
  large_payloads_ = target.size() >= kDirectSize;
  const std::size_t here = std::min(target.size(), staged());
  if (here > 0) std::memcpy(target.data(), stage_.get() + begin_, here);
  consume(here);
  target_ = target.subspan(here);
}

void Receiver::skip(std::uint64_t count) {
  large_payloads_ = false;
  const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(count, staged()));
  consume(here);
  to_skip_ = count - here;
}

// Moves what is staged to the front. That is little: a parser takes whole messages, so at most the
// start of a header is left when it wants to read on.
void Receiver::compact() {
  std::memmove(stage_.get(), stage_.get() + begin_, staged());
  end_ -= begin_;
  begin_ = 0;
}

void Receiver::grow(std::size_t capacity) {
  auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
  if (end_ > 0) std::memcpy(larger.get(), stage_.get(), end_);
  stage_ = std::move(larger);
  capacity_ = capacity;
}

}  // namespace periprox::session
