// emulated:camera: what is before the lens, and the pipe that it is seen through.
#include <charconv>
#include <string>
#include <utility>

#include "periprox/emulated/camera.hpp"

namespace periprox::emulated {
namespace {

constexpr auto kSettings = with_common_settings(
    "high",
    SettingInfo{
        "frames", "",
        "a folder of pictures, shown in the order of their names, or one file with several; "
        "empty: moving bars"},
    SettingInfo{"format", "yuyv", "of the pictures: yuyv, or mjpeg for JPEG"},
    SettingInfo{"size", "640x480", "of YUYV pictures; JPEG pictures say their own"},
    SettingInfo{"fps", "30", "pictures a second, 1 to 1000"},
    SettingInfo{"pipe", "iso", "iso or bulk"});

/// "640x480"; an even width, because two pixels share their colour.
std::optional<PictureSize> parse_size(std::string_view text) {
  PictureSize size;
  const auto end = text.data() + text.size();
  const auto width = std::from_chars(text.data(), end, size.width);
  if (width.ec != std::errc{} || width.ptr == end || *width.ptr != 'x') return std::nullopt;
  const auto height = std::from_chars(width.ptr + 1, end, size.height);
  if (height.ec != std::errc{} || height.ptr != end) return std::nullopt;
  const bool sound = size.width >= 2 && size.width % 2 == 0 && size.width <= kLargestSide &&
                     size.height >= 1 && size.height <= kLargestSide &&
                     std::uint32_t{2} * size.width * size.height <= kLargestPicture;
  return sound ? std::optional(size) : std::nullopt;
}

Result<VideoFrames> read_frames(SettingsReader& settings) {
  const std::string path(settings.text("frames"));
  const auto format =
      settings.choice("format", {"yuyv", "mjpeg"}) == 0 ? VideoFormat::Yuyv : VideoFormat::Mjpeg;
  const auto size = parse_size(settings.text("size"));
  if (!size) settings.reject("size", "a size such as 640x480, of at most 32 MiB");
  if (path.empty() && format == VideoFormat::Mjpeg) {
    settings.reject("format", "yuyv, which the moving bars are; frames=PATH has others");
  }
  if (settings.error()) return tl::make_unexpected(*settings.error());
  return path.empty() ? moving_bars(*size) : open_frames(path, format, *size);
}

Result<FunctionMaker> make_camera(SettingsReader& settings, const Surroundings& surroundings) {
  constexpr std::int64_t kUnitsPerSecond = 10'000'000;
  constexpr std::int64_t kMostPerSecond = 1000;
  Camera::Options options;
  options.pipe = settings.choice("pipe", {"iso", "bulk"}) == 0 ? Camera::Pipe::Isochronous
                                                               : Camera::Pipe::Bulk;
  const auto per_second = settings.integer("fps", 1, kMostPerSecond);
  auto frames = read_frames(settings);
  if (!frames) return forward_error(frames);
  options.frame_interval = static_cast<std::uint32_t>(kUnitsPerSecond / per_second);
  options.on_stream = [surroundings](bool on) {
    note(surroundings, on ? "the camera is on" : "the camera is off");
  };
  const auto camera =
      std::make_shared<Camera>(std::move(*frames), std::move(options), surroundings.timers);
  return [camera](Place place) { return camera_function(camera, place); };
}

}  // namespace

DeviceType camera_type() {
  return {.name = "camera",
          .summary = "camera that shows pictures out of files (USB Video 1.1)",
          .settings = kSettings,
          .make = FunctionType{.idProduct = 0x0009, .make = make_camera}};
}

}  // namespace periprox::emulated
