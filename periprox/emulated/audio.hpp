// A loudspeaker and a microphone: USB Audio 1.0, which every system drives without a driver of its
// own, at full speed and above.
//
//     host --iso OUT--> speaker --> play(samples)        the feedback endpoint says how fast
//     host <--iso IN--- microphone <-- record(room)
//
// Both are asynchronous: one sample clock of the device's own times them, which may differ from the
// bus' by parts per million, as crystals do. Packets are of one millisecond at every speed. Samples
// are passed on as they are, so that nothing is lost or changed; a host that is late makes a pause,
// not a gap in the data.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "periprox/emulated/catalog.hpp"
#include "periprox/emulated/function.hpp"
#include "periprox/emulated/sample_clock.hpp"
#include "periprox/emulated/wav.hpp"

namespace periprox::emulated {

/// Sound hardware. Held by shared_ptr; single-threaded.
class Audio {
 public:
  struct Options {
    AudioFormat speaker = {};
    AudioFormat microphone = {};
    /// How much faster than the bus the sample clock runs; -kMostPpm to kMostPpm.
    std::int32_t clock_ppm = 0;
    /// Takes what the host plays: whole samples of all channels.
    std::function<void(Bytes samples)> play = {};
    /// Fills `room` with what the microphone hears; what it leaves is silence. Returns the bytes.
    std::function<std::size_t(MutableBytes room)> record = {};
    /// The host opened or closed the stream.
    std::function<void(bool on)> on_play = {};
    std::function<void(bool on)> on_record = {};
  };

  explicit Audio(Options options);
  Audio(const Audio&) = delete;
  Audio& operator=(const Audio&) = delete;

  [[nodiscard]] const AudioFormat& speaker() const { return options_.speaker; }
  [[nodiscard]] const AudioFormat& microphone() const { return options_.microphone; }

  static constexpr std::int32_t kMostPpm = 10'000;
  /// The packets of a format, with one sample more than the rate says, fit into a frame.
  [[nodiscard]] static bool fits(const AudioFormat& format);

 private:
  friend Function audio_function(const std::shared_ptr<Audio>& audio, Place place);

  void take_packet(Bytes data);
  [[nodiscard]] std::uint32_t fill_packet(MutableBytes room);
  [[nodiscard]] std::uint32_t tell_rate(usb::Speed speed, MutableBytes room) const;
  void switch_speaker(bool on);
  void switch_microphone(bool on);

  Options options_;
  Feedback feedback_;
  SampleClock microphone_clock_;
  bool playing_ = false;
  bool recording_ = false;
};

/// The function: a control interface, one that streams to the speaker and one from the microphone.
[[nodiscard]] Function audio_function(const std::shared_ptr<Audio>& audio, Place place);

[[nodiscard]] DeviceType audio_type();

}  // namespace periprox::emulated
