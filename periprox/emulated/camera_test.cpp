// The camera as a host's video driver sees it.
#include "periprox/emulated/camera.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/emulated/function_testing.hpp"

namespace periprox::emulated {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using usb::SetupPacket;
using usb::Status;

constexpr usb::EndpointAddress kIn(0x81);
constexpr std::uint16_t kStreamingInterface = 1;

/// Pictures of these sizes; all bytes of the first are 1, of the second 2.
VideoFrames pictures_of(std::vector<std::size_t> sizes) {
  VideoFrames frames{.size = {.width = 16, .height = 16}, .count = sizes.size()};
  for (const auto size : sizes) {
    frames.largest = std::max(frames.largest, static_cast<std::uint32_t>(size));
  }
  frames.load = [sizes](std::size_t index, std::vector<std::byte>& into) {
    into.assign(sizes.at(index), static_cast<std::byte>(index + 1));
  };
  return frames;
}

struct Payload {
  int info = 0;
  std::vector<std::byte> data;
};

class CameraTest : public ::testing::Test, protected testing::FunctionRig {
 protected:
  void plug_camera(VideoFrames frames, Camera::Pipe pipe, usb::Speed speed = usb::Speed::High) {
    const auto camera = std::make_shared<Camera>(
        std::move(frames),
        Camera::Options{.pipe = pipe,
                        .frame_interval = 100'000,  // 10 ms
                        .on_stream = [this](bool on) { switches.push_back(on); }},
        timers);
    plug({[camera](Place place) { return camera_function(camera, place); }}, speed);
  }
  void commit() { (void)control({0x21, 1, 0x0200, 1, 34}, bytes_of(ProbeControl{})); }
  /// The payloads of that many packets, without the empty ones.
  std::vector<Payload> packets(std::size_t count, std::uint32_t length) {
    const auto id = host->isochronous(kIn, count, length);
    timers.advance(std::chrono::microseconds(125) * static_cast<int>(count + 2));
    const auto outcome = host->outcome(id);
    std::vector<Payload> payloads;
    std::size_t at = 0;
    for (const auto& packet : outcome.packets) {
      if (packet.actual_length == 0) continue;
      const Bytes bytes = Bytes(outcome.data).subspan(at, packet.actual_length);
      payloads.push_back({std::to_integer<int>(bytes[1]), {bytes.begin() + 2, bytes.end()}});
      at += packet.actual_length;
    }
    return payloads;
  }

  std::vector<bool> switches;
};

using Pipe = Camera::Pipe;

TEST_F(CameraTest, DescribesOneFormatOfOneSize) {
  plug_camera(pictures_of({512}), Pipe::Isochronous);
  const auto& configuration = *device->model().active_configuration();
  EXPECT_THAT(usb::check_configuration(configuration, usb::Speed::High), ::testing::IsEmpty());
  const auto& setting = configuration.interfaces.at(1).alternate_settings.at(0);
  std::size_t total = 0;
  for (const auto& descriptor : setting.extra) total += descriptor.size();
  EXPECT_EQ(setting.extra.at(0).at(4), static_cast<std::byte>(total));
  EXPECT_EQ(setting.extra.at(1).size(), 27U);
  EXPECT_EQ(setting.extra.at(2),
            raw_bytes({30, 0x24, 5, 1, 0,    16,   0, 16, 0, 0,    0x40, 6, 0, 0, 0x40, 6, 0,  //
                       0,  2,    0, 0, 0xa0, 0x86, 1, 0,  1, 0xa0, 0x86, 1, 0}));
  EXPECT_EQ(configuration.interfaces.at(1).alternate_settings.size(), 5U);
  EXPECT_EQ(configuration.associations.at(0).bFunctionSubClass, 3);
}

TEST_F(CameraTest, AnswersEveryProposalWithItsStream) {
  plug_camera(pictures_of({512, 512}), Pipe::Isochronous);
  ProbeControl proposal;
  proposal.dwFrameInterval = 1;
  EXPECT_EQ(control({0x21, 1, 0x0100, 1, 34}, bytes_of(proposal)).status, Status::Ok);
  const auto answer = read_as<ProbeControl>(control({0xa1, 0x81, 0x0100, 1, 34}).data);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->dwFrameInterval, 100'000U);
  EXPECT_EQ(answer->dwMaxVideoFrameSize, 512U);
  EXPECT_EQ(answer->dwMaxPayloadTransferSize, 512U);
  EXPECT_EQ(control({0xa1, 0x85, 0x0100, 1, 2}).data, raw_bytes({34, 0}));
  EXPECT_EQ(control({0x21, 1, 0x0100, 1, 10}, std::vector<std::byte>(10)).status, Status::Stalled);
  EXPECT_EQ(control({0xa1, 0x81, 0x0500, 1, 34}).status, Status::Stalled);
}

TEST_F(CameraTest, ChoosesPacketsThatCarryThePicturesInTime) {
  plug_camera(pictures_of({100'000}), Pipe::Isochronous);  // 10 MB/s
  const auto answer = read_as<ProbeControl>(control({0xa1, 0x81, 0x0100, 1, 34}).data);
  EXPECT_EQ(answer->dwMaxPayloadTransferSize, 2048U);
}

TEST_F(CameraTest, CutsPicturesIntoPacketsWithHeaders) {
  plug_camera(pictures_of({1000, 20}), Pipe::Isochronous);
  host->control(SetupPacket::set_interface(kStreamingInterface, 1));
  const auto payloads = packets(100, 512);
  ASSERT_EQ(payloads.size(), 3U);
  EXPECT_EQ(payloads[0].info, 0x80);
  EXPECT_EQ(payloads[0].data, std::vector<std::byte>(510, std::byte{1}));
  EXPECT_EQ(payloads[1].info, 0x82);
  EXPECT_EQ(payloads[1].data, std::vector<std::byte>(490, std::byte{1}));
  EXPECT_EQ(payloads[2].info, 0x83);
  EXPECT_EQ(payloads[2].data, std::vector<std::byte>(20, std::byte{2}));
}

TEST_F(CameraTest, APictureBeginsEveryFrameIntervalByTheBusClock) {
  plug_camera(pictures_of({10}), Pipe::Isochronous);
  host->control(SetupPacket::set_interface(kStreamingInterface, 1));
  const auto id = host->isochronous(kIn, 400, 512);
  timers.advance(std::chrono::milliseconds(60));
  std::vector<std::size_t> places;
  const auto outcome = host->outcome(id);
  for (std::size_t i = 0; i < outcome.packets.size(); ++i) {
    if (outcome.packets[i].actual_length != 0) places.push_back(i);
  }
  EXPECT_THAT(places, ElementsAre(0, 80, 160, 240, 320));
}

TEST_F(CameraTest, LeavesNoPictureOutWhenThePipeIsTooNarrow) {
  plug_camera(pictures_of({60'000, 60'000, 60'000}), Pipe::Isochronous);
  host->control(SetupPacket::set_interface(kStreamingInterface, 1));
  std::vector<int> ends;
  for (int i = 0; i < 4; ++i) {
    for (const auto& payload : packets(100, 512)) {
      if ((payload.info & 2) != 0) ends.push_back(std::to_integer<int>(payload.data.back()));
    }
  }
  EXPECT_THAT(ends, ElementsAre(1, 2, 3));
}

TEST_F(CameraTest, BeginsWithTheFirstPictureEachTime) {
  plug_camera(pictures_of({10, 10}), Pipe::Isochronous);
  host->control(SetupPacket::set_interface(kStreamingInterface, 1));
  (void)packets(50, 512);
  host->control(SetupPacket::set_interface(kStreamingInterface, 0));
  host->control(SetupPacket::set_interface(kStreamingInterface, 1));
  EXPECT_EQ(packets(50, 512).at(0).data.at(0), std::byte{1});
  EXPECT_THAT(switches, ElementsAre(true, false, true));
}

TEST_F(CameraTest, ABulkPayloadIsAPicture) {
  plug_camera(pictures_of({1000, 700}), Pipe::Bulk);
  const auto early = host->in(kIn, 512);
  timers.advance(std::chrono::seconds(1));
  EXPECT_EQ(host->times_completed(early), 0U) << "nobody has committed to a stream";
  commit();
  EXPECT_EQ(host->outcome(early).data.size(), 512U);
  EXPECT_EQ(host->outcome(early).data.at(1), std::byte{0x82});
  EXPECT_EQ(read(kIn, 512).data, std::vector<std::byte>(490, std::byte{1}));
  const auto second = read(kIn, 512).data;
  EXPECT_EQ(second.at(1), std::byte{0x83});
  EXPECT_EQ(read(kIn, 512).data, std::vector<std::byte>(190, std::byte{2}));
}

TEST_F(CameraTest, AFullLastTransferOfABulkPayloadIsFollowedByAnEmptyOne) {
  plug_camera(pictures_of({1022, 2000}), Pipe::Bulk);
  commit();
  EXPECT_EQ(read(kIn, 1024).data.size(), 1024U);
  const auto end = read(kIn, 1024);
  EXPECT_EQ(end.status, Status::Ok);
  EXPECT_EQ(end.data.size(), 0U);
  EXPECT_EQ(read(kIn, 4096).data.size(), 2002U);
}

TEST_F(CameraTest, BulkPicturesKeepTheirTime) {
  plug_camera(pictures_of({100}), Pipe::Bulk);
  commit();
  (void)read(kIn, 512);
  const auto next = host->in(kIn, 512);
  timers.advance(std::chrono::milliseconds(9));
  EXPECT_EQ(host->times_completed(next), 0U);
  timers.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(host->outcome(next).data.size(), 102U);
}

TEST(CameraSettings, RefusesSizesThatThereAreNot) {
  SimulatedTimers timers;
  const auto device = create("camera", {{"size", "641x480"}}, timers);
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().text(), HasSubstr("size=641x480 is not a size such as 640x480"));
  const auto bars = create("camera", {{"format", "mjpeg"}}, timers);
  ASSERT_FALSE(bars);
  EXPECT_THAT(bars.error().text(), HasSubstr("moving bars"));
}

}  // namespace
}  // namespace periprox::emulated
