// A camera: USB Video Class 1.1, with one format of one size, over an isochronous or a bulk pipe.
//
// The host asks for a stream by probe and commit controls (4.3.1.1) and then opens the pipe. Every
// payload begins with a header of two bytes (2.4.3.3), whose FID bit changes with each picture and
// whose EOF bit ends it. A picture begins when its time has come by the clock of the bus, or as
// soon as the one before has gone; none is left out.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/base/endian.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/emulated/function.hpp"
#include "periprox/emulated/video_frames.hpp"

namespace periprox::emulated {

/// VIDEO PROBE AND COMMIT CONTROLS (UVC 1.1, table 4-75).
struct ProbeControl {
  le16 bmHint{};
  std::uint8_t bFormatIndex = 1;
  std::uint8_t bFrameIndex = 1;
  le32 dwFrameInterval{};
  le16 wKeyFrameRate{};
  le16 wPFrameRate{};
  le16 wCompQuality{};
  le16 wCompWindowSize{};
  le16 wDelay{};
  le32 dwMaxVideoFrameSize{};
  le32 dwMaxPayloadTransferSize{};
  le32 dwClockFrequency{};
  std::uint8_t bmFramingInfo = 3;  ///< FID and EOF are used.
  std::uint8_t bPreferedVersion = 0;
  std::uint8_t bMinVersion = 0;
  std::uint8_t bMaxVersion = 0;
};
static_assert(sizeof(ProbeControl) == 34);

/// The pictures of one stream, cut into payloads.
class VideoStream {
 public:
  explicit VideoStream(VideoFrames frames) : frames_(std::move(frames)) {}

  /// Goes back before the first picture.
  void restart();
  /// Loads the next picture; the one at hand has gone completely.
  void next_picture();
  [[nodiscard]] bool is_over() const { return sent_ == picture_.size(); }
  /// Bytes of the picture at hand that have not gone.
  [[nodiscard]] std::size_t left() const { return picture_.size() - sent_; }
  /// Writes a header and as much of the picture as fits into `room`; returns the bytes. A room
  /// without place for a header and a byte gets nothing.
  [[nodiscard]] std::uint32_t fill_payload(MutableBytes room);
  /// Writes as much of the picture as fits, without a header.
  [[nodiscard]] std::uint32_t fill(MutableBytes room);
  /// The header of a payload that ends the picture or not.
  [[nodiscard]] std::array<std::byte, 2> header(bool ends_picture) const;

  [[nodiscard]] std::size_t picture_size() const { return picture_.size(); }
  [[nodiscard]] const VideoFrames& frames() const { return frames_; }
  [[nodiscard]] std::uint64_t pictures() const { return pictures_; }

  static constexpr std::uint32_t kHeaderSize = 2;

 private:
  VideoFrames frames_;
  std::vector<std::byte> picture_;
  std::size_t sent_ = 0;
  std::uint64_t pictures_ = 0;  // Begun since restart().
};

/// A camera and what is before its lens. Held by shared_ptr; single-threaded.
class Camera : public std::enable_shared_from_this<Camera> {
 public:
  enum class Pipe : std::uint8_t { Isochronous, Bulk };
  struct Options {
    Pipe pipe = Pipe::Isochronous;
    /// Time from one picture to the next, in the 100 ns that the class counts in.
    std::uint32_t frame_interval = 333'333;
    /// Told when the host starts and stops looking.
    std::function<void(bool on)> on_stream = {};
  };

  /// `timers` outlives it.
  Camera(VideoFrames frames, Options options, Timers& timers);
  ~Camera();
  Camera(const Camera&) = delete;
  Camera& operator=(const Camera&) = delete;

 private:
  friend Function camera_function(const std::shared_ptr<Camera>& camera, Place place);

  [[nodiscard]] Interface control_interface(Place place);
  [[nodiscard]] Interface streaming_interface(Place place);
  void answer_control(ControlTransfer transfer);
  void set_control(ControlTransfer transfer);
  [[nodiscard]] std::uint32_t fill_packet(std::uint64_t frame, MutableBytes room);
  void give(InTransfer transfer);
  void send_on();
  void switch_stream(bool on);

  VideoStream stream_;
  Options options_;
  Timers& timers_;
  ProbeControl probe_;
  std::uint32_t frames_per_second_ = 8000;  // (Micro)frames of the bus.
  bool is_on_ = false;
  std::uint64_t first_frame_ = 0;  // Isochronous: when the first picture began.
  TimePoint first_time_{};         // Bulk: the same.
  bool begun_ = false;
  bool in_payload_ = false;  // Bulk: a payload has begun and not ended.
  InTransfer to_host_;
  TimerId timer_{};
};

/// The camera as a function: a control and a streaming interface, one endpoint.
[[nodiscard]] Function camera_function(const std::shared_ptr<Camera>& camera, Place place);

[[nodiscard]] DeviceType camera_type();

}  // namespace periprox::emulated
