// emulated:audio: the speaker writes a WAV file, the microphone reads one.
#include <string>
#include <utility>

#include "periprox/emulated/audio.hpp"

namespace periprox::emulated {
namespace {

constexpr auto kSettings = with_common_settings(
    "high", SettingInfo{"speaker", "", "a WAV file that gets what is played; empty: nothing does"},
    SettingInfo{"microphone", "",
                "a WAV file that is heard, from its start each time; empty: silence"},
    SettingInfo{"loop", "0", "1: the microphone's file is heard over and over"},
    SettingInfo{"rate", "48000", "samples a second of the speaker, 4000 to 192000"},
    SettingInfo{"channels", "2", "channels of the speaker, 1 to 8"},
    SettingInfo{"bits", "16", "bits of a sample of the speaker: 16, 24 or 32"},
    SettingInfo{"clock_ppm", "0",
                "how much faster than the bus the sample clock runs, in parts per million"});

/// The file that is heard.
class Recording {
 public:
  Recording(std::unique_ptr<WavReader> wav, bool loop) : wav_(std::move(wav)), loop_(loop) {}

  std::size_t read(MutableBytes room) {
    std::size_t done = 0;
    while (done < room.size()) {
      const auto count = wav_->read(position_, room.subspan(done));
      done += count;
      position_ += count;
      if (count != 0) continue;
      if (!loop_ || position_ == 0) break;
      position_ = 0;
    }
    return done;
  }
  void rewind() { position_ = 0; }

 private:
  std::unique_ptr<WavReader> wav_;
  bool loop_;
  std::uint64_t position_ = 0;
};

AudioFormat read_format(SettingsReader& settings) {
  const AudioFormat format{
      .rate = static_cast<std::uint32_t>(settings.integer("rate", kLowestRate, kHighestRate)),
      .channels = static_cast<std::uint8_t>(settings.integer("channels", 1, kMostChannels)),
      .bits = static_cast<std::uint8_t>(16 + 8 * settings.choice("bits", {"16", "24", "32"}))};
  if (!Audio::fits(format)) {
    settings.reject("rate", "low enough: a millisecond has to fit into 1023 bytes");
  }
  return format;
}

Result<void> join_microphone(Audio::Options& options, const std::string& path, bool loop,
                             const Surroundings& surroundings) {
  auto wav = WavReader::open(path);
  if (!wav) return forward_error(wav);
  options.microphone = (*wav)->format();
  if (!Audio::fits(options.microphone)) {
    return fail(Error::Kind::Usage, "cannot play " + path,
                "a millisecond of it does not fit into 1023 bytes");
  }
  const auto recording = std::make_shared<Recording>(std::move(*wav), loop);
  options.record = [recording](MutableBytes room) { return recording->read(room); };
  options.on_record = [recording, surroundings](bool on) {
    recording->rewind();
    note(surroundings, on ? "the microphone is on" : "the microphone is off");
  };
  return {};
}

Result<void> join_speaker(Audio::Options& options, const std::string& path,
                          const Surroundings& surroundings) {
  auto created = WavWriter::create(path, options.speaker);
  if (!created) return forward_error(created);
  const std::shared_ptr<WavWriter> wav = std::move(*created);
  options.play = [wav, surroundings, complained = false](Bytes samples) mutable {
    if (wav->append(samples) || std::exchange(complained, true)) return;
    note(surroundings, "the speaker's file cannot be written any more");
  };
  options.on_play = [wav, surroundings](bool on) {
    if (!on) (void)wav->flush();
    note(surroundings, on ? "the speaker is on" : "the speaker is off");
  };
  return {};
}

Result<FunctionMaker> make_audio(SettingsReader& settings, const Surroundings& surroundings) {
  Audio::Options options;
  options.speaker = options.microphone = read_format(settings);
  options.clock_ppm =
      static_cast<std::int32_t>(settings.integer("clock_ppm", -Audio::kMostPpm, Audio::kMostPpm));
  const bool loop = settings.choice("loop", {"0", "1"}) == 1;
  const std::string speaker(settings.text("speaker"));
  const std::string microphone(settings.text("microphone"));
  if (settings.error()) return tl::make_unexpected(*settings.error());
  if (!microphone.empty()) {
    if (auto done = join_microphone(options, microphone, loop, surroundings); !done) {
      return forward_error(done);
    }
  }
  if (!speaker.empty()) {
    if (auto done = join_speaker(options, speaker, surroundings); !done) return forward_error(done);
  }
  const auto audio = std::make_shared<Audio>(std::move(options));
  return [audio](Place place) { return audio_function(audio, place); };
}

}  // namespace

DeviceType audio_type() {
  return {.name = "audio",
          .summary = "speaker and microphone over WAV files (USB Audio 1.0)",
          .settings = kSettings,
          .make = FunctionType{.idProduct = 0x0007, .make = make_audio}};
}

}  // namespace periprox::emulated
