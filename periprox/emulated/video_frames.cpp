#include "periprox/emulated/video_frames.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

#include "periprox/base/endian.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/emulated/file_access.hpp"

namespace periprox::emulated {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostPictures = 1'000'000;
constexpr std::uint64_t kLargestVideo = std::uint64_t{1} << 30;  // of JPEG pictures in one file
constexpr std::byte kMarker{0xff};
constexpr std::byte kStartOfImage{0xd8};
constexpr std::byte kEndOfImage{0xd9};
constexpr std::byte kStartOfScan{0xda};

/// Where a picture lies.
struct Place {
  std::string path;
  std::uint64_t offset = 0;
  std::uint32_t size = 0;
};

std::string cannot_show(const std::string& path) { return "cannot show " + path; }

UniqueFd open_file(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

void load(const Place& place, std::vector<std::byte>& into) {
  const auto fd = open_file(place.path);
  into.resize(place.size);
  into.resize(fd ? read_at(fd.get(), place.offset, into) : 0);
}

bool is_start_of_frame(std::byte marker) {
  const auto code = std::to_integer<unsigned>(marker);
  // SOF0 to SOF15 but DHT, JPG and DAC (ITU-T T.81, table B.1).
  return code >= 0xc0 && code <= 0xcf && code != 0xc4 && code != 0xc8 && code != 0xcc;
}

/// JPEG pictures one after the other: each begins where the one before has ended.
Result<std::vector<Place>> split_jpegs(const std::string& path, std::uint64_t size) {
  const auto fd = open_file(path);
  if (!fd) return tl::make_unexpected(errno_error(errno, cannot_show(path)));
  std::vector<std::byte> bytes(size);
  bytes.resize(read_at(fd.get(), 0, bytes));
  const auto end_and_start = std::array{kMarker, kEndOfImage, kMarker, kStartOfImage};
  std::vector<Place> places;
  std::size_t start = 0;
  while (start < bytes.size() && places.size() < kMostPictures) {
    const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(start);
    const auto found = std::search(from, bytes.end(), end_and_start.begin(), end_and_start.end());
    const auto end =
        found == bytes.end() ? bytes.size() : static_cast<std::size_t>(found - bytes.begin()) + 2;
    if (end - start > kLargestPicture) {
      return fail(Error::Kind::Usage, cannot_show(path), "a picture in it is beyond 32 MiB");
    }
    places.push_back({path, start, static_cast<std::uint32_t>(end - start)});
    start = end;
  }
  return places;
}

/// The pictures in one file.
Result<std::vector<Place>> places_in_file(const std::string& path, VideoFormat format,
                                          std::uint32_t yuyv_size) {
  std::error_code failure;
  const auto size = fs::file_size(path, failure);
  if (failure) return tl::make_unexpected(errno_error(failure.value(), cannot_show(path)));
  if (format == VideoFormat::Mjpeg) {
    if (size > kLargestVideo) {
      return fail(Error::Kind::Usage, cannot_show(path), "it is beyond 1 GiB",
                  "use a folder with one picture in each file");
    }
    return split_jpegs(path, size);
  }
  if (size == 0 || size % yuyv_size != 0) {
    return fail(Error::Kind::Usage, cannot_show(path),
                "its " + std::to_string(size) + " bytes are no multiple of a picture's " +
                    std::to_string(yuyv_size),
                "size=WIDTHxHEIGHT says how large a picture is");
  }
  std::vector<Place> places;
  for (std::uint64_t at = 0; at < size && places.size() < kMostPictures; at += yuyv_size) {
    places.push_back({path, at, yuyv_size});
  }
  return places;
}

Result<std::vector<Place>> places_in_folder(const std::string& path, VideoFormat format,
                                            std::uint32_t yuyv_size) {
  std::error_code failure;
  std::vector<std::string> files;
  for (fs::directory_iterator each(path, failure), end; !failure && each != end;
       each.increment(failure)) {
    if (each->is_regular_file(failure)) files.push_back(each->path().string());
  }
  if (failure) return tl::make_unexpected(errno_error(failure.value(), cannot_show(path)));
  std::ranges::sort(files);
  std::vector<Place> places;
  for (const auto& file : files) {
    auto more = places_in_file(file, format, yuyv_size);
    if (!more) return forward_error(more);
    std::ranges::move(*more, std::back_inserter(places));
    if (places.size() >= kMostPictures) break;
  }
  return places;
}

/// Colours of the bars as two pixels in YUYV: white, yellow, cyan, green, magenta, red, blue,
/// black.
constexpr std::array<std::array<std::uint8_t, 4>, 8> kBars{{{235, 128, 235, 128},
                                                            {210, 16, 210, 146},
                                                            {170, 166, 170, 16},
                                                            {145, 54, 145, 34},
                                                            {106, 202, 106, 222},
                                                            {81, 90, 81, 240},
                                                            {41, 240, 41, 110},
                                                            {16, 128, 16, 128}}};

}  // namespace

PictureSize jpeg_size(Bytes picture) {
  ByteReader reader(picture);
  if (reader.take<std::byte>() != kMarker || reader.take<std::byte>() != kStartOfImage) return {};
  while (true) {
    const auto first = reader.take<std::byte>();
    auto code = reader.take<std::byte>();
    while (code == kMarker) code = reader.take<std::byte>();  // fill bytes
    if (first != kMarker || !code || code == kStartOfScan || code == kEndOfImage) return {};
    const auto length = reader.take<be16>();
    if (!length || *length < sizeof(be16)) return {};
    const auto segment = reader.take_bytes(*length - sizeof(be16));
    if (!segment) return {};
    if (!is_start_of_frame(*code)) continue;
    ByteReader frame(*segment);
    const auto precision = frame.take<std::uint8_t>();
    const auto height = frame.take<be16>();
    const auto width = frame.take<be16>();
    if (!precision || !height || !width) return {};
    return {.width = *width, .height = *height};
  }
}

Result<VideoFrames> open_frames(const std::string& path, VideoFormat format, PictureSize size) {
  const std::uint32_t yuyv_size = std::uint32_t{2} * size.width * size.height;
  std::error_code failure;
  auto places = fs::is_directory(path, failure) ? places_in_folder(path, format, yuyv_size)
                                                : places_in_file(path, format, yuyv_size);
  if (!places) return forward_error(places);
  if (places->empty()) {
    return fail(Error::Kind::Usage, cannot_show(path), "there is no picture in it");
  }
  VideoFrames frames{.format = format, .size = size, .count = places->size()};
  for (const auto& place : *places) frames.largest = std::max(frames.largest, place.size);
  if (format == VideoFormat::Mjpeg) {
    std::vector<std::byte> first;
    load(places->front(), first);
    frames.size = jpeg_size(first);
    if (frames.size.width == 0 || frames.size.height == 0) {
      return fail(Error::Kind::Usage, cannot_show(places->front().path), "it is no JPEG picture",
                  "format=yuyv takes uncompressed ones");
    }
  }
  frames.load = [places = std::move(*places)](std::size_t index, std::vector<std::byte>& into) {
    load(places.at(index), into);
  };
  return frames;
}

VideoFrames moving_bars(PictureSize size) {
  VideoFrames frames{.format = VideoFormat::Yuyv, .size = size, .count = kBars.size()};
  frames.largest = std::uint32_t{2} * size.width * size.height;
  frames.load = [size](std::size_t index, std::vector<std::byte>& into) {
    into.resize(std::size_t{2} * size.width * size.height);
    const std::size_t pairs = size.width / 2U;
    for (std::size_t i = 0; i < into.size(); ++i) {
      const std::size_t pair = i / 4 % pairs;
      const auto& bar = kBars[(pair * kBars.size() / pairs + index) % kBars.size()];
      into[i] = static_cast<std::byte>(bar[i % 4]);
    }
  };
  return frames;
}

}  // namespace periprox::emulated
