// How pictures become payloads.
#include <algorithm>

#include "periprox/emulated/camera.hpp"

namespace periprox::emulated {
namespace {

// Bits of bmHeaderInfo (UVC 1.1, 2.4.3.3).
constexpr unsigned kFrameId = 0x01;
constexpr unsigned kEndOfFrame = 0x02;
constexpr unsigned kEndOfHeader = 0x80;

}  // namespace

void VideoStream::restart() {
  picture_.clear();
  sent_ = 0;
  pictures_ = 0;
}

void VideoStream::next_picture() {
  frames_.load(static_cast<std::size_t>(pictures_ % frames_.count), picture_);
  // The host has been told how large one may be.
  if (picture_.size() > frames_.largest) picture_.resize(frames_.largest);
  sent_ = 0;
  ++pictures_;
}

std::array<std::byte, VideoStream::kHeaderSize> VideoStream::header(bool ends_picture) const {
  const unsigned info =
      kEndOfHeader | (ends_picture ? kEndOfFrame : 0U) | (pictures_ % 2 == 0 ? kFrameId : 0U);
  return {std::byte{kHeaderSize}, static_cast<std::byte>(info)};
}

std::uint32_t VideoStream::fill(MutableBytes room) {
  const auto count = std::min(room.size(), left());
  std::copy_n(picture_.begin() + static_cast<std::ptrdiff_t>(sent_), count, room.begin());
  sent_ += count;
  return static_cast<std::uint32_t>(count);
}

std::uint32_t VideoStream::fill_payload(MutableBytes room) {
  if (room.size() <= kHeaderSize) return 0;
  const auto data = room.subspan(kHeaderSize);
  std::ranges::copy(header(left() <= data.size()), room.begin());
  return kHeaderSize + fill(data);
}

}  // namespace periprox::emulated
