#include "periprox/emulated/audio.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace periprox::emulated {
namespace {

// Numbers of USB Audio 1.0, appendix A, and of its Terminal Types document.
constexpr std::uint8_t kAudioClass = 0x01;
constexpr std::uint8_t kControlSubclass = 0x01;
constexpr std::uint8_t kStreamingSubclass = 0x02;
constexpr int kClassInterface = 0x24;
constexpr int kClassEndpoint = 0x25;
constexpr int kUsbStreaming = 0x0101;
constexpr int kMicrophone = 0x0201;
constexpr int kSpeaker = 0x0301;

/// bTerminalID of what the samples pass, in their order.
enum Terminal : std::uint8_t {
  kFromHost = 1,
  kLoudspeaker = 2,
  kMicrophoneInput = 3,
  kToHost = 4,
};

// Synchronisation and usage types (USB 2.0, table 9-13).
constexpr std::uint8_t kAsynchronous = 0x04;
constexpr std::uint8_t kFeedback = 0x10;
constexpr std::uint16_t kLargestFullSpeedPacket = 1023;

std::uint16_t largest_packet(const AudioFormat& format) {
  // A clock that is ahead needs a sample more than the rate rounded up.
  const auto samples = format.rate * (1 + Audio::kMostPpm / 1e6) / 1000 + 2;
  return static_cast<std::uint16_t>(
      std::min(static_cast<std::uint32_t>(samples) * format.frame_bytes(), std::uint32_t{0xffff}));
}

/// wChannelConfig: the first positions of 3.7.2.3 for several channels, none for one.
int channel_config(const AudioFormat& format) {
  return format.channels == 1 ? 0 : (1 << format.channels) - 1;
}

usb::RawDescriptor input_terminal(int id, int type, const AudioFormat& format) {
  const int config = channel_config(format);
  return raw_bytes({12, kClassInterface, 0x02, id, type & 0xff, type >> 8, 0, format.channels,
                    config & 0xff, config >> 8, 0, 0});
}

usb::RawDescriptor output_terminal(int id, int type, int source) {
  return raw_bytes({9, kClassInterface, 0x03, id, type & 0xff, type >> 8, 0, source, 0});
}

/// The descriptors of the control interface (4.3.2), whose streams are the two interfaces after it.
std::vector<usb::RawDescriptor> topology(const Audio& audio, std::uint8_t control) {
  std::vector<usb::RawDescriptor> descriptors{
      {},
      input_terminal(kFromHost, kUsbStreaming, audio.speaker()),
      output_terminal(kLoudspeaker, kSpeaker, kFromHost),
      input_terminal(kMicrophoneInput, kMicrophone, audio.microphone()),
      output_terminal(kToHost, kUsbStreaming, kMicrophoneInput),
  };
  constexpr int kHeaderLength = 10;
  int total = kHeaderLength;
  for (const auto& descriptor : descriptors) total += static_cast<int>(descriptor.size());
  descriptors.front() = raw_bytes({kHeaderLength, kClassInterface, 0x01, 0x00, 0x01, total & 0xff,
                                   total >> 8, 2, control + 1, control + 2});
  return descriptors;
}

/// A streaming interface: silent in setting 0, which takes no bandwidth, and with `endpoints` in 1.
Interface streaming(Terminal terminal, const AudioFormat& format, std::vector<Endpoint> endpoints) {
  const auto rate = static_cast<int>(format.rate);
  const usb::ClassCode code{kAudioClass, kStreamingSubclass, 0};
  // Attributes of the endpoint: no controls, packets of any length.
  endpoints.front().descriptors = {raw_bytes({7, kClassEndpoint, 0x01, 0, 0, 0, 0})};
  return {.settings = {{.class_code = code},
                       {.class_code = code,
                        // General: PCM; format type I with one rate.
                        .descriptors = {raw_bytes({7, kClassInterface, 0x01, terminal, 1, 1, 0}),
                                        raw_bytes({11, kClassInterface, 0x02, 1, format.channels,
                                                   format.bits / 8, format.bits, 1, rate & 0xff,
                                                   rate >> 8 & 0xff, rate >> 16})},
                        .endpoints = std::move(endpoints)}}};
}

}  // namespace

Audio::Audio(Options options)
    : options_(std::move(options)),
      feedback_(SampleClock(options_.speaker.rate, options_.clock_ppm)),
      microphone_clock_(options_.microphone.rate, options_.clock_ppm) {}

bool Audio::fits(const AudioFormat& format) {
  return largest_packet(format) <= kLargestFullSpeedPacket;
}

void Audio::take_packet(Bytes data) {
  const auto frame = options_.speaker.frame_bytes();
  const auto whole = data.size() / frame;
  feedback_.take(static_cast<std::uint32_t>(whole));
  if (options_.play && whole != 0) options_.play(data.first(whole * frame));
}

std::uint32_t Audio::fill_packet(MutableBytes room) {
  const auto frame = options_.microphone.frame_bytes();
  const auto samples = std::min<std::size_t>(microphone_clock_.next(), room.size() / frame);
  const auto packet = room.first(samples * frame);
  const auto heard = options_.record ? std::min(options_.record(packet), packet.size()) : 0;
  std::memset(packet.data() + heard, 0, packet.size() - heard);
  return static_cast<std::uint32_t>(packet.size());
}

/// Samples in a frame as 10.14 in three bytes at full speed, in a microframe as 16.16 in four bytes
/// above (USB 2.0, 5.12.4.2).
std::uint32_t Audio::tell_rate(usb::Speed speed, MutableBytes room) const {
  const bool microframes = usb::uses_microframes(speed);
  const std::size_t size = microframes ? 4 : 3;
  if (room.size() < size) return 0;
  const auto rate = feedback_.per_frame_q16();
  const le32 value(microframes ? (rate + 4) / 8 : (rate + 2) / 4);
  std::memcpy(room.data(), &value, size);
  return static_cast<std::uint32_t>(size);
}

void Audio::switch_speaker(bool on) {
  feedback_.restart();
  if (std::exchange(playing_, on) != on && options_.on_play) options_.on_play(on);
}

void Audio::switch_microphone(bool on) {
  microphone_clock_.restart();
  if (std::exchange(recording_, on) != on && options_.on_record) options_.on_record(on);
}

Function audio_function(const std::shared_ptr<Audio>& audio, Place place) {
  const usb::ClassCode code{kAudioClass, kControlSubclass, 0};
  const auto number = place.endpoint_number;
  const auto in_number = static_cast<std::uint8_t>(number + 1);
  const auto feedback_address = static_cast<std::uint8_t>(0x80 | number);

  auto out = iso_out(
      number,
      {.max_packet_size = largest_packet(audio->speaker()), .sync_and_usage = kAsynchronous},
      [audio](std::uint64_t, Bytes data) { audio->take_packet(data); });
  out.audio = {.bRefresh = 0, .bSynchAddress = feedback_address};
  auto feedback = iso_in(number, {.max_packet_size = 4, .sync_and_usage = kFeedback},
                         [audio, speed = place.speed](std::uint64_t, MutableBytes room) {
                           return audio->tell_rate(speed, room);
                         });
  feedback.audio = {.bRefresh = 1, .bSynchAddress = 0};
  auto in = iso_in(
      in_number,
      {.max_packet_size = largest_packet(audio->microphone()), .sync_and_usage = kAsynchronous},
      [audio](std::uint64_t, MutableBytes room) { return audio->fill_packet(room); });
  in.audio = AudioEndpoint{};

  Interface control{
      .settings = {{.class_code = code, .descriptors = topology(*audio, place.interface_number)}}};
  auto speaker = streaming(kFromHost, audio->speaker(), {std::move(out), std::move(feedback)});
  speaker.on_alternate = [audio](std::uint8_t setting) { audio->switch_speaker(setting != 0); };
  auto microphone = streaming(kToHost, audio->microphone(), {std::move(in)});
  microphone.on_alternate = [audio](std::uint8_t setting) {
    audio->switch_microphone(setting != 0);
  };
  const auto silence = [audio] {
    audio->switch_speaker(false);
    audio->switch_microphone(false);
  };
  return {.name = "Audio",
          .class_code = {kAudioClass, 0, 0},
          .interfaces = {std::move(control), std::move(speaker), std::move(microphone)},
          .on_reset = silence,
          .on_configuration = [silence](std::uint8_t) { silence(); }};
}

}  // namespace periprox::emulated
