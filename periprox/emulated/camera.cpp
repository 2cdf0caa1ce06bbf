#include "periprox/emulated/camera.hpp"

#include <algorithm>
#include <limits>

namespace periprox::emulated {
namespace {

// Numbers of UVC 1.1, appendix A.
constexpr std::uint8_t kVideoClass = 0x0e;
constexpr std::uint8_t kControlSubclass = 0x01;
constexpr std::uint8_t kStreamingSubclass = 0x02;
constexpr std::uint8_t kInterfaceCollection = 0x03;
constexpr int kClassInterface = 0x24;
constexpr int kCameraTerminal = 1;
constexpr int kStreamingTerminal = 2;

enum VideoRequest : std::uint8_t {
  kSetCur = 0x01,
  kGetCur = 0x81,
  kGetMin = 0x82,
  kGetMax = 0x83,
  kGetRes = 0x84,
  kGetLen = 0x85,
  kGetInfo = 0x86,
  kGetDef = 0x87,
};

/// Control selectors: the high byte of wValue.
constexpr int kProbe = 1;
constexpr int kCommit = 2;
constexpr int kRequestErrorCode = 2;  // of the control interface
constexpr int kInvalidControl = 6;
/// As long as the control is in UVC 1.0, which knows no bmFramingInfo.
constexpr std::size_t kOldProbeSize = 26;

constexpr std::uint8_t kAsynchronous = 0x04;
constexpr std::uint64_t kUnitsPerSecond = 10'000'000;  // of 100 ns

/// The packets of the settings of an isochronous pipe, in rising order.
std::vector<Periodic> packet_shapes(usb::Speed speed) {
  const auto shape = [](std::uint16_t size, std::uint8_t packets) {
    return Periodic{.max_packet_size = size,
                    .interval = std::chrono::microseconds(125),
                    .packets = packets,
                    .sync_and_usage = kAsynchronous};
  };
  if (!usb::uses_microframes(speed)) return {shape(256, 1), shape(512, 1), shape(1023, 1)};
  return {shape(512, 1), shape(1024, 1), shape(1024, 2), shape(1024, 3)};
}

/// Bytes in each interval of the smallest setting that carries the pictures in time, with a tenth
/// to spare; of the largest when none does.
std::uint32_t packet_size_for(const VideoFrames& frames, std::uint32_t frame_interval,
                              usb::Speed speed) {
  const std::uint64_t intervals = usb::uses_microframes(speed) ? 8000 : 1000;
  const std::uint64_t bytes_per_second = frames.largest * kUnitsPerSecond / frame_interval;
  const auto needed = bytes_per_second * 11 / 10 / intervals + 1 + VideoStream::kHeaderSize;
  std::uint32_t size = 0;
  for (const auto& shape : packet_shapes(speed)) {
    if (size < needed) size = std::uint32_t{shape.max_packet_size} * shape.packets;
  }
  return size;
}

/// The format descriptor (Payload Uncompressed 1.1, table 3-1; Payload MJPEG 1.1, table 3-1).
usb::RawDescriptor format_descriptor(VideoFormat format) {
  if (format == VideoFormat::Mjpeg)
    return raw_bytes({11, kClassInterface, 6, 1, 1, 0, 1, 0, 0, 0, 0});
  return raw_bytes({27,   kClassInterface,
                    4,    1,
                    1,  //
                    'Y',  'U',
                    'Y',  '2',
                    0,    0,
                    0x10, 0,
                    0x80, 0,
                    0,    0xaa,
                    0,    0x38,
                    0x9b, 0x71,
                    16,   1,
                    0,    0,
                    0,    0});
}

/// The frame descriptor, which has the same fields in both formats (tables 3-2).
usb::RawDescriptor frame_descriptor(const VideoFrames& frames, std::uint32_t frame_interval) {
  const std::uint64_t bits_per_second =
      std::uint64_t{frames.largest} * 8 * kUnitsPerSecond / frame_interval;
  const auto bit_rate = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(bits_per_second, std::numeric_limits<std::uint32_t>::max()));
  ByteWriter out;
  out.put_bytes(
      raw_bytes({30, kClassInterface, frames.format == VideoFormat::Mjpeg ? 7 : 5, 1, 0}));
  out.put(le16(frames.size.width));
  out.put(le16(frames.size.height));
  out.put(le32(bit_rate));
  out.put(le32(bit_rate));
  out.put(le32(frames.largest));
  out.put(le32(frame_interval));
  out.put(std::uint8_t{1});  // intervals
  out.put(le32(frame_interval));
  return out.release();
}

}  // namespace

Camera::Camera(VideoFrames frames, Options options, Timers& timers)
    : stream_(std::move(frames)), options_(std::move(options)), timers_(timers) {}

Camera::~Camera() {
  if (timer_ != TimerId{}) timers_.cancel(timer_);
}

// --- Controls ------------------------------------------------------------------------------------

void Camera::answer_control(ControlTransfer transfer) {
  const int selector = transfer.setup().wValue >> 8;
  if (selector != kProbe && selector != kCommit) return transfer.stall();
  switch (transfer.setup().bRequest) {
    case kGetLen:
      return transfer.send(bytes_of(le16(sizeof(ProbeControl))));
    case kGetInfo:
      return transfer.send(raw_bytes({3}));  // GET and SET
    case kGetRes:
      return transfer.send(std::vector<std::byte>(sizeof(ProbeControl)));
    default:
      return transfer.send(bytes_of(probe_));
  }
}

/// There is one stream: whatever a host proposes, it is answered with that.
void Camera::set_control(ControlTransfer transfer) {
  const int selector = transfer.setup().wValue >> 8;
  const bool known = selector == kProbe || selector == kCommit;
  if (!known || transfer.data().size() < kOldProbeSize) return transfer.stall();
  transfer.accept();
  if (selector == kCommit && options_.pipe == Pipe::Bulk) switch_stream(true);
}

void Camera::switch_stream(bool on) {
  stream_.restart();
  begun_ = in_payload_ = false;
  if (std::exchange(is_on_, on) != on && options_.on_stream) options_.on_stream(on);
  if (on) send_on();
}

// --- Isochronous ---------------------------------------------------------------------------------

std::uint32_t Camera::fill_packet(std::uint64_t frame, MutableBytes room) {
  if (!is_on_) return 0;
  if (!std::exchange(begun_, true)) first_frame_ = frame;
  if (stream_.is_over()) {
    const auto passed = (frame - first_frame_) * kUnitsPerSecond / frames_per_second_;
    if (passed < stream_.pictures() * options_.frame_interval) return 0;
    stream_.next_picture();
  }
  return stream_.is_over() ? 0 : stream_.fill_payload(room);
}

// --- Bulk ----------------------------------------------------------------------------------------

void Camera::give(InTransfer transfer) {
  to_host_ = std::move(transfer);
  send_on();
}

/// A payload is a whole picture, over as many transfers as it takes; a short one ends it.
void Camera::send_on() {
  if (!is_on_ || !to_host_.pending()) return;
  if (!in_payload_) {
    const auto now = timers_.now();
    if (!std::exchange(begun_, true)) first_time_ = now;
    const auto units = static_cast<Duration::rep>(stream_.pictures() * options_.frame_interval);
    const auto due = first_time_ + std::chrono::nanoseconds(100) * units;
    if (now < due) {
      if (timer_ != TimerId{}) timers_.cancel(timer_);
      timer_ = timers_.call_at(due, [this] {
        timer_ = {};
        send_on();
      });
      return;
    }
    stream_.next_picture();
  }
  const std::size_t header_size = in_payload_ ? 0 : VideoStream::kHeaderSize;
  const auto length = to_host_.length();
  const auto room = to_host_.reserve(
      static_cast<std::uint32_t>(std::min<std::size_t>(length, header_size + stream_.left())));
  if (room.size() < header_size) return to_host_.stall();
  if (header_size != 0) std::ranges::copy(stream_.header(true), room.begin());
  const auto count =
      static_cast<std::uint32_t>(header_size) + stream_.fill(room.subspan(header_size));
  // One that ends with a full transfer is ended by an empty one, unless the host knows its end.
  const bool is_largest = stream_.is_over() && stream_.picture_size() == stream_.frames().largest;
  in_payload_ = !stream_.is_over() || (count == length && !is_largest);
  auto transfer = std::move(to_host_);
  transfer.send_reserved(count);
}

// --- Function ------------------------------------------------------------------------------------

Interface Camera::control_interface(Place place) {
  const int streaming = place.interface_number + 1;
  constexpr int kTotal = 13 + 18 + 9;
  AlternateSetting setting{
      .class_code = {kVideoClass, kControlSubclass, 0},
      .descriptors = {
          // Header: UVC 1.1, no clock, one streaming interface.
          raw_bytes({13, kClassInterface, 1, 0x10, 0x01, kTotal, 0, 0, 0, 0, 0, 1, streaming}),
          raw_bytes({18, kClassInterface, 2, kCameraTerminal, 0x01, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 3,
                     0, 0, 0}),
          raw_bytes(
              {9, kClassInterface, 3, kStreamingTerminal, 0x01, 0x01, 0, kCameraTerminal, 0})}};
  const auto say_why = [](ControlTransfer transfer) {
    if (transfer.setup().wValue >> 8 != kRequestErrorCode) return transfer.stall();
    transfer.send(raw_bytes({kInvalidControl}));
  };
  return {.settings = {std::move(setting)}, .requests = {class_in(kGetCur, say_why)}};
}

Interface Camera::streaming_interface(Place place) {
  const auto self = shared_from_this();
  const auto number = place.endpoint_number;
  const usb::ClassCode code{kVideoClass, kStreamingSubclass, 0};
  Interface interface;
  const auto format = format_descriptor(stream_.frames().format);
  const auto frame = frame_descriptor(stream_.frames(), options_.frame_interval);
  const auto colours = raw_bytes({6, kClassInterface, 0x0d, 1, 1, 4});
  const auto total = static_cast<int>(14 + format.size() + frame.size() + colours.size());
  const auto header = raw_bytes(
      {14, kClassInterface, 1, 1, total, 0, 0x80 | number, 0, kStreamingTerminal, 0, 0, 0, 1, 0});
  interface.settings.push_back(
      {.class_code = code, .descriptors = {header, format, frame, colours}});
  if (options_.pipe == Pipe::Bulk) {
    interface.settings.front().endpoints = {
        bulk_in(number, [self](InTransfer transfer) { self->give(std::move(transfer)); })};
  } else {
    for (const auto& shape : packet_shapes(place.speed)) {
      interface.settings.push_back(
          {.class_code = code,
           .endpoints = {iso_in(number, shape, [self](std::uint64_t at, MutableBytes room) {
             return self->fill_packet(at, room);
           })}});
    }
  }
  interface.on_alternate = [self](std::uint8_t setting) { self->switch_stream(setting != 0); };
  interface.requests.push_back(
      class_out(kSetCur, [self](ControlTransfer t) { self->set_control(std::move(t)); }));
  for (const auto request : {kGetCur, kGetMin, kGetMax, kGetRes, kGetLen, kGetInfo, kGetDef}) {
    interface.requests.push_back(
        class_in(request, [self](ControlTransfer t) { self->answer_control(std::move(t)); }));
  }
  return interface;
}

Function camera_function(const std::shared_ptr<Camera>& camera, Place place) {
  const auto& frames = camera->stream_.frames();
  const auto interval = camera->options_.frame_interval;
  camera->frames_per_second_ = usb::uses_microframes(place.speed) ? 8000 : 1000;
  camera->probe_ = {
      .dwFrameInterval = interval,
      .dwMaxVideoFrameSize = frames.largest,
      .dwMaxPayloadTransferSize = camera->options_.pipe == Camera::Pipe::Bulk
                                      ? frames.largest + VideoStream::kHeaderSize
                                      : packet_size_for(frames, interval, place.speed)};
  const auto off = [camera] { camera->switch_stream(false); };
  return {.name = "Camera",
          .class_code = {kVideoClass, kInterfaceCollection, 0},
          .interfaces = {camera->control_interface(place), camera->streaming_interface(place)},
          .on_reset = off,
          .on_configuration = [off](std::uint8_t) { off(); }};
}

}  // namespace periprox::emulated
