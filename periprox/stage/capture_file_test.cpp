#include "periprox/stage/capture_file.hpp"

#include <gtest/gtest.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/stage/capture_stage.hpp"
#include "periprox/stage/stage_testing.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::stage {
namespace {

using testing::HeldDevice;
using testing::SeenCapture;

class CaptureFileTest : public ::testing::Test {
 protected:
  CaptureFileTest() {
    std::string folder = std::filesystem::temp_directory_path() / "periprox-capture-XXXXXX";
    folder_ = ::mkdtemp(folder.data());
  }
  ~CaptureFileTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  static std::vector<std::byte> contents(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    const std::vector<char> text{std::istreambuf_iterator<char>(stream), {}};
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
  }
  std::unique_ptr<CaptureFile> open(CaptureFileOptions options) {
    auto file =
        CaptureFile::open(std::move(options), [this](const Error& error) { failure = error; });
    EXPECT_TRUE(file) << file.error().text();
    return std::move(*file);
  }
  /// Sends `count` transfers of 100 bytes through a stage.
  void transfer(CaptureFile& file, int count) {
    SimulatedTimers timers;
    auto held = std::make_shared<HeldDevice>();
    auto& device = *held;
    CaptureStage stage(std::move(held), {.name = "test"}, {.timers = &timers});
    stage.add(file.buffer());
    usb::testing::TestHost host(stage);
    const std::vector<std::byte> data(100);
    for (int i = 0; i < count; ++i) {
      host.out(usb::EndpointAddress(0x02), data);
      device.complete_next();
    }
  }

  std::filesystem::path folder_;
  std::optional<Error> failure;
};

TEST_F(CaptureFileTest, HoldsEverythingOnceItIsClosed) {
  auto file = open({.path = path("a.pcapng")});
  transfer(*file, 1000);
  file.reset();
  const SeenCapture capture(contents(path("a.pcapng")));
  EXPECT_TRUE(capture.valid);
  EXPECT_EQ(capture.records.size(), 2000U);
  EXPECT_EQ(capture.dropped, 0U);
  EXPECT_FALSE(failure);
}

TEST_F(CaptureFileTest, CompressesWhenTheNameSaysSo) {
  auto file = open({.path = path("a.pcapng.zst")});
  transfer(*file, 1000);
  file.reset();
  const auto compressed = contents(path("a.pcapng.zst"));
  std::vector<std::byte> plain(1 << 20);
  ASSERT_LT(compressed.size(), 100'000U);
  ZSTD_inBuffer in{compressed.data(), compressed.size(), 0};
  ZSTD_outBuffer out{plain.data(), plain.size(), 0};
  auto* context = ZSTD_createDCtx();
  while (in.pos < in.size) ASSERT_FALSE(ZSTD_isError(ZSTD_decompressStream(context, &out, &in)));
  ZSTD_freeDCtx(context);
  const SeenCapture capture(Bytes(plain).first(out.pos));
  EXPECT_TRUE(capture.valid);
  EXPECT_EQ(capture.records.size(), 2000U);
}

TEST_F(CaptureFileTest, ARowOfFilesKeepsTheNewestAndEachStandsAlone) {
  auto file = open({.path = path("a.pcapng"), .file_size = 20'000, .files = 3});
  transfer(*file, 500);
  file.reset();
  std::uint64_t last_id = 0;
  for (const auto* name : {"a.2.pcapng", "a.1.pcapng", "a.pcapng"}) {
    const auto bytes = contents(path(name));
    EXPECT_LE(bytes.size(), 20'200U) << name;
    const SeenCapture capture(bytes);
    ASSERT_TRUE(capture.valid) << name;
    EXPECT_EQ(capture.known.size(), 10U) << name;
    ASSERT_FALSE(capture.records.empty()) << name;
    EXPECT_GE(capture.records.front().record.id, last_id);
    last_id = capture.records.back().record.id;
  }
  EXPECT_EQ(last_id, 505U);
  EXPECT_FALSE(std::filesystem::exists(path("a.3.pcapng")));
}

TEST_F(CaptureFileTest, CannotBeOpenedWhereThereIsNoFolder) {
  const auto file = CaptureFile::open({.path = path("no/a.pcapng")}, [](const Error&) {});
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, Error::Kind::NotFound);
}

TEST_F(CaptureFileTest, SaysSoWhenTheDiskIsFullAndLetsUrbsGoOn) {
  auto file = open({.path = "/dev/full"});
  transfer(*file, 10);
  file.reset();
  ASSERT_TRUE(failure);
  EXPECT_NE(failure->text().find("/dev/full"), std::string::npos);
}

TEST(OlderPath, PutsTheAgeBeforeTheExtensions) {
  EXPECT_EQ(older_path("a/b.pcapng", 1), "a/b.1.pcapng");
  EXPECT_EQ(older_path("/x.y/trace.pcapng.zst", 12), "/x.y/trace.12.pcapng.zst");
  EXPECT_EQ(older_path("trace", 2), "trace.2");
  EXPECT_EQ(older_path("d/.hidden", 1), "d/.hidden.1");
}

}  // namespace
}  // namespace periprox::stage
