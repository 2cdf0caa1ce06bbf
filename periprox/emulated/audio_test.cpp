// The sound device as a host's audio driver sees it, and the sizes of its packets.
#include "periprox/emulated/audio.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "periprox/emulated/function_testing.hpp"

namespace periprox::emulated {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using usb::SetupPacket;
using usb::Status;

constexpr usb::EndpointAddress kOut(0x01);
constexpr usb::EndpointAddress kFeedback(0x81);
constexpr usb::EndpointAddress kIn(0x82);
constexpr std::uint16_t kSpeakerInterface = 1;
constexpr std::uint16_t kMicrophoneInterface = 2;

// --- Sizes ---------------------------------------------------------------------------------------

TEST(SampleClock, Gives44100AsNinePacketsOf44AndOneOf45) {
  SampleClock clock(44100, 0);
  std::vector<std::uint32_t> sizes;
  for (int i = 0; i < 20; ++i) sizes.push_back(clock.next());
  EXPECT_THAT(sizes, ElementsAre(44, 44, 44, 44, 44, 44, 44, 44, 44, 45,  //
                                 44, 44, 44, 44, 44, 44, 44, 44, 44, 45));
}

TEST(SampleClock, LosesNoSampleInAnHour) {
  SampleClock clock(22050, 0);
  std::uint64_t samples = 0;
  for (int frame = 0; frame < 3'600'000; ++frame) samples += clock.next();
  EXPECT_EQ(samples, 22050U * 3600);
}

TEST(SampleClock, RunsAheadByPartsPerMillion) {
  SampleClock clock(48000, 500);
  std::uint64_t samples = 0;
  for (int frame = 0; frame < 1'000'000; ++frame) samples += clock.next();
  EXPECT_EQ(samples, 48'024'000U);
}

TEST(Feedback, TellsTheRateWhileTheHostKeepsToIt) {
  Feedback feedback(SampleClock(44100, 0));
  SampleClock host(44100, 0);
  for (int frame = 0; frame < 1000; ++frame) feedback.take(host.next());
  EXPECT_EQ(feedback.per_frame_q16(), 2890138U);  // 44.1
  EXPECT_EQ(feedback.fill(), 0);
}

TEST(Feedback, AHostThatFollowsItKeepsTheBufferLevel) {
  Feedback feedback(SampleClock(48000, 1000));
  std::uint64_t phase = 0;
  for (int frame = 0; frame < 20'000; ++frame) {
    phase += feedback.per_frame_q16();
    feedback.take(static_cast<std::uint32_t>(phase >> 16));
    phase &= 0xffff;
  }
  EXPECT_LE(std::abs(feedback.fill()), 2);
}

TEST(Feedback, NeverAsksForMoreThanOneSampleBeside) {
  Feedback feedback(SampleClock(48000, 0));
  for (int frame = 0; frame < 100'000; ++frame) feedback.take(1000);
  EXPECT_EQ(feedback.per_frame_q16(), 47U << 16);
  feedback.restart();
  EXPECT_EQ(feedback.per_frame_q16(), 48U << 16);
}

// --- As a host sees it ---------------------------------------------------------------------------

class AudioTest : public ::testing::Test, protected testing::FunctionRig {
 protected:
  void plug_audio(Audio::Options options, usb::Speed speed = usb::Speed::High) {
    options.play = [this](Bytes samples) {
      played.insert(played.end(), samples.begin(), samples.end());
    };
    options.record = [this](MutableBytes room) {
      for (auto& byte : room) byte = static_cast<std::byte>(next_heard++);
      return room.size();
    };
    options.on_play = [this](bool on) { switches.push_back(on); };
    const auto audio = std::make_shared<Audio>(std::move(options));
    plug({[audio](Place place) { return audio_function(audio, place); }}, speed);
  }
  usb::testing::Completion stream(usb::EndpointAddress endpoint, std::size_t packets,
                                  std::uint32_t length, std::byte fill = {}) {
    const auto id = host->isochronous(endpoint, packets, length, fill);
    timers.advance(std::chrono::milliseconds(packets + 2));
    return host->outcome(id);
  }
  static std::vector<std::uint32_t> lengths(const usb::testing::Completion& completion) {
    std::vector<std::uint32_t> lengths;
    for (const auto& packet : completion.packets) lengths.push_back(packet.actual_length);
    return lengths;
  }

  std::vector<std::byte> played;
  int next_heard = 0;
  std::vector<bool> switches;
};

TEST_F(AudioTest, DescribesASpeakerWithFeedbackAndAMicrophone) {
  plug_audio({}, usb::Speed::Full);
  const auto& configuration = *device->model().active_configuration();
  EXPECT_THAT(usb::check_configuration(configuration, usb::Speed::Full), ::testing::IsEmpty());
  ASSERT_EQ(configuration.interfaces.size(), 3U);
  const auto& header = configuration.interfaces[0].alternate_settings.at(0).extra.at(0);
  EXPECT_EQ(header, raw_bytes({10, 0x24, 1, 0, 1, 52, 0, 2, 1, 2}));
  const auto& speaker = configuration.interfaces[1].alternate_settings.at(1);
  ASSERT_EQ(speaker.endpoints.size(), 2U);
  EXPECT_EQ(speaker.endpoints[0].descriptor.bmAttributes, 0x05);
  EXPECT_EQ(speaker.endpoints[0].bSynchAddress, 0x81);
  EXPECT_EQ(speaker.endpoints[1].descriptor.bmAttributes, 0x11);
  EXPECT_EQ(speaker.extra.at(1), raw_bytes({11, 0x24, 2, 1, 2, 2, 16, 1, 0x80, 0xbb, 0}));  // 48000
  const auto& idle = configuration.interfaces[2].alternate_settings.at(0);
  EXPECT_TRUE(idle.endpoints.empty());
}

TEST_F(AudioTest, PacketsAreOfAMillisecondAtEverySpeed) {
  plug_audio({});
  host->control(SetupPacket::set_interface(kMicrophoneInterface, 1));
  EXPECT_EQ(device->model().endpoint(kIn)->interval, 8U);  // microframes
}

TEST_F(AudioTest, PassesOnEverySampleThatIsPlayed) {
  plug_audio({});
  host->control(SetupPacket::set_interface(kSpeakerInterface, 1));
  stream(kOut, 3, 192, std::byte{0x11});
  stream(kOut, 2, 188, std::byte{0x22});
  std::vector<std::byte> wanted(std::size_t{3} * 192, std::byte{0x11});
  wanted.insert(wanted.end(), std::size_t{2} * 188, std::byte{0x22});
  EXPECT_EQ(played, wanted);
}

TEST_F(AudioTest, HalfASampleIsNotPlayed) {
  plug_audio({});
  host->control(SetupPacket::set_interface(kSpeakerInterface, 1));
  stream(kOut, 1, 191, std::byte{0x11});
  EXPECT_EQ(played.size(), 188U);
}

TEST_F(AudioTest, TheMicrophoneLosesNothingBetweenTransfers) {
  plug_audio({.microphone = {.rate = 44100, .channels = 1, .bits = 16}});
  host->control(SetupPacket::set_interface(kMicrophoneInterface, 1));
  const auto first = stream(kIn, 8, 92);
  const auto later = stream(kIn, 4, 92);
  EXPECT_THAT(lengths(first), Each(88U));
  EXPECT_THAT(lengths(later), ElementsAre(88, 90, 88, 88));
  EXPECT_EQ(later.data.front(), static_cast<std::byte>(8 * 88));
}

TEST_F(AudioTest, FeedbackIs10Point14AtFullSpeed) {
  plug_audio({}, usb::Speed::Full);
  host->control(SetupPacket::set_interface(kSpeakerInterface, 1));
  EXPECT_EQ(stream(kFeedback, 1, 4).data, raw_bytes({0, 0, 12}));  // 48 << 14
}

TEST_F(AudioTest, FeedbackIs16Point16OfAMicroframeAtHighSpeed) {
  plug_audio({.clock_ppm = 1000});
  host->control(SetupPacket::set_interface(kSpeakerInterface, 1));
  EXPECT_EQ(stream(kFeedback, 1, 4).data, raw_bytes({0x89, 0x01, 6, 0}));  // 6.006
}

TEST_F(AudioTest, TellsWhenTheSpeakerIsSwitched) {
  plug_audio({});
  host->control(SetupPacket::set_interface(kSpeakerInterface, 1));
  host->control(SetupPacket::set_interface(kSpeakerInterface, 0));
  host->control(SetupPacket::set_interface(kSpeakerInterface, 1));
  host->control(SetupPacket::port_reset());
  EXPECT_THAT(switches, ElementsAre(true, false, true, false));
}

TEST(AudioSettings, RefusesWhatDoesNotFitIntoAFrame) {
  SimulatedTimers timers;
  const auto device =
      create("audio", {{"rate", "192000"}, {"channels", "2"}, {"bits", "32"}}, timers);
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().text(), ::testing::HasSubstr("has to fit into 1023 bytes"));
}

}  // namespace
}  // namespace periprox::emulated
