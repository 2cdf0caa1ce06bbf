#include "periprox/emulated/video_frames.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "periprox/emulated/declaration.hpp"

namespace periprox::emulated {
namespace {

using ::testing::HasSubstr;

/// A JPEG picture as far as its headers go: a comment, the frame header, a scan.
std::vector<std::byte> jpeg(int width, int height, int content) {
  return raw_bytes({0xff, 0xd8, 0xff, 0xfe, 0,    4, 1,      2,  //
                    0xff, 0xc0, 0,    11,   8,    0, height, 0,       width, 1,
                    1,    0x11, 0,    0xff, 0xda, 0, 2,      content, 0xff,  0xd9});
}

class VideoFramesTest : public ::testing::Test {
 protected:
  VideoFramesTest() { std::filesystem::create_directories(folder); }
  ~VideoFramesTest() override { std::filesystem::remove_all(folder); }

  std::string put(const std::string& name, const std::vector<std::byte>& bytes) const {
    const auto path = folder + "/" + name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path;
  }
  static std::vector<std::byte> picture(const VideoFrames& frames, std::size_t index) {
    std::vector<std::byte> bytes;
    frames.load(index, bytes);
    return bytes;
  }

  std::string folder = ::testing::TempDir() + "video_frames_" + std::to_string(::getpid());
};

TEST_F(VideoFramesTest, ShowsAFolderInTheOrderOfItsNames) {
  put("b.jpg", jpeg(8, 6, 2));
  put("a.jpg", jpeg(8, 6, 1));
  const auto frames = open_frames(folder, VideoFormat::Mjpeg, {}).value();
  EXPECT_EQ(frames.count, 2U);
  EXPECT_EQ(frames.size, (PictureSize{8, 6}));
  EXPECT_EQ(picture(frames, 0), jpeg(8, 6, 1));
  EXPECT_EQ(picture(frames, 1), jpeg(8, 6, 2));
}

TEST_F(VideoFramesTest, FindsThePicturesInOneFile) {
  auto both = jpeg(8, 6, 1);
  const auto second = jpeg(8, 6, 2);
  both.insert(both.end(), second.begin(), second.end());
  const auto frames = open_frames(put("v.mjpeg", both), VideoFormat::Mjpeg, {}).value();
  EXPECT_EQ(frames.count, 2U);
  EXPECT_EQ(picture(frames, 1), second);
  auto raw = std::vector<std::byte>(24);
  raw[20] = std::byte{7};
  const auto pictures = open_frames(put("v.yuv", raw), VideoFormat::Yuyv, {2, 2}).value();
  EXPECT_EQ(pictures.count, 3U);
  EXPECT_EQ(picture(pictures, 2), std::vector(raw.begin() + 16, raw.end()));
}

TEST_F(VideoFramesTest, RefusesWhatHoldsNoPictures) {
  const auto refusal = [](const auto& opened) {
    return opened ? std::string("opened") : opened.error().text();
  };
  EXPECT_THAT(refusal(open_frames(folder, VideoFormat::Yuyv, {2, 2})),
              HasSubstr("there is no picture in it"));
  EXPECT_THAT(refusal(open_frames(folder + "/none", VideoFormat::Yuyv, {2, 2})),
              HasSubstr("No such file"));
  const auto odd = put("odd", std::vector<std::byte>(9));
  EXPECT_THAT(refusal(open_frames(odd, VideoFormat::Yuyv, {2, 2})), HasSubstr("no multiple"));
  EXPECT_THAT(refusal(open_frames(odd, VideoFormat::Mjpeg, {})), HasSubstr("it is no JPEG"));
}

TEST(JpegSize, BelievesNoLength) {
  auto picture = jpeg(8, 6, 1);
  picture[5] = std::byte{1};  // Less than the length itself.
  EXPECT_EQ(jpeg_size(picture), PictureSize{});
  picture[4] = picture[5] = std::byte{0xff};  // Beyond the end.
  EXPECT_EQ(jpeg_size(picture), PictureSize{});
  EXPECT_EQ(jpeg_size({}), PictureSize{});
}

TEST(MovingBars, MoveOnWithEachPicture) {
  const auto frames = moving_bars({16, 4});
  std::vector<std::byte> first;
  std::vector<std::byte> second;
  frames.load(0, first);
  frames.load(1, second);
  EXPECT_EQ(first.size(), frames.largest);
  EXPECT_EQ(Bytes(first)[4], Bytes(second)[0]);
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace periprox::emulated
