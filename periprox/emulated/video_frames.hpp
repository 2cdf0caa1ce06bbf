// The pictures that an emulated camera shows: files of a folder in the order of their names, the
// pictures within one file, or a pattern that moves.
//
// Only where the pictures are is kept; each is read when its turn comes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/result.hpp"

namespace periprox::emulated {

enum class VideoFormat : std::uint8_t { Yuyv, Mjpeg };

struct PictureSize {
  std::uint16_t width = 0;
  std::uint16_t height = 0;
  friend bool operator==(const PictureSize&, const PictureSize&) = default;
};

/// A row of pictures that begins again after the last one.
struct VideoFrames {
  VideoFormat format = VideoFormat::Yuyv;
  PictureSize size;
  std::size_t count = 0;
  std::uint32_t largest = 0;  ///< Bytes of the largest picture.
  /// Picture `index` < count, in place of what is in `into`; empty when it cannot be read.
  std::function<void(std::size_t index, std::vector<std::byte>& into)> load;
};

/// Bounds of what is taken for a picture.
inline constexpr std::uint16_t kLargestSide = 8192;
inline constexpr std::uint32_t kLargestPicture = std::uint32_t{32} << 20;

/// Opens a folder of pictures or a file with one or several. YUYV pictures have `size`; that of
/// JPEG pictures is read from the first of them.
[[nodiscard]] Result<VideoFrames> open_frames(const std::string& path, VideoFormat format,
                                              PictureSize size);
/// Bars in YUYV that move on with each picture.
[[nodiscard]] VideoFrames moving_bars(PictureSize size);
/// The size that the frame header (SOF) of a JPEG picture says; {0, 0} when there is none.
[[nodiscard]] PictureSize jpeg_size(Bytes picture);

}  // namespace periprox::emulated
