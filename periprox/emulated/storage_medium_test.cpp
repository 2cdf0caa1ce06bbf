// The disk's medium: images in files, large ones, and media that come and go.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "periprox/base/memory_stream_testing.hpp"
#include "periprox/emulated/storage_testing.hpp"

namespace periprox::emulated::testing {
namespace {

// --- Files ---------------------------------------------------------------------------------------

class StorageFileTest : public StorageTest {
 protected:
  void SetUp() override {
    path = (std::filesystem::temp_directory_path() /
            ("periprox-storage-" + std::to_string(::getpid()) + ".img"))
               .string();
    std::filesystem::remove(path);
  }
  void TearDown() override { std::filesystem::remove(path); }

  std::string path;
};

TEST_F(StorageFileTest, WritesToTheFile) {
  plug_disk({.path = path, .size = 16 * 512});
  EXPECT_EQ(write_sectors(2, pattern(512)).status, 0);
  std::ifstream file(path, std::ios::binary);
  file.seekg(1024);
  std::vector<std::byte> found(512);
  file.read(reinterpret_cast<char*>(found.data()), 512);
  EXPECT_EQ(found, pattern(512));
}

TEST_F(StorageFileTest, ReadsAndWritesBeyondTwoTebibytes) {
  // 3 TiB: 0x180000000 sectors of 512 bytes.
  plug_disk({.path = path, .size = std::uint64_t{3} << 40});
  (void)command({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 8);
  EXPECT_EQ(read(kIn, 8).data, raw_bytes({0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0}));
  EXPECT_EQ(status(), csw(0));
  (void)command({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}, 32);
  EXPECT_EQ(std::vector(read(kIn, 32).data).at(3), std::byte{1});
  EXPECT_EQ(status(), csw(0));

  const auto last = {0x8a, 0, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0};
  (void)command(last, 512, kToDevice);
  EXPECT_EQ(write(kOut, pattern(512)).status, Status::Ok);
  EXPECT_EQ(status(), csw(0));
  (void)command({0x88, 0, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0}, 512);
  EXPECT_EQ(read(kIn, 512).data, pattern(512));
  EXPECT_EQ(status(), csw(0));
}

TEST_F(StorageFileTest, AReadOnlyDiskIsWriteProtected) {
  { std::ofstream(path) << std::string(4096, 'x'); }
  plug_disk({.path = path, .read_only = true});
  (void)command({0x1a, 0, 0x3f, 0, 192, 0}, 192);
  EXPECT_EQ(read(kIn, 192).data.at(2), std::byte{0x80});
  clear_halt(kIn);
  EXPECT_EQ(status().status, 0);
  (void)command({0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 512, kToDevice);
  EXPECT_EQ(write(kOut, pattern(512)).status, Status::Stalled);
  clear_halt(kOut);
  EXPECT_EQ(status(), csw(1, 512));
  EXPECT_THAT(sense(), ::testing::ElementsAre(7, 0x27, 0));
}

TEST_F(StorageFileTest, AWritableImageHasOneUser) {
  plug_disk({.path = path, .size = 4096});
  const auto second = DiskImage::open({.path = path});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, Error::Kind::Busy);
}

TEST_F(StorageFileTest, MakesNoFileUnlessASizeIsGiven) {
  const auto image = DiskImage::open({.path = path});
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().kind, Error::Kind::NotFound);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(StorageFileTest, AnImageThatShrankFailsInsteadOfMakingUpData) {
  plug_disk({.path = path, .size = 8 * 512});
  std::filesystem::resize_file(path, 4 * 512);
  (void)command({0x28, 0, 0, 0, 0, 6, 0, 0, 1, 0}, 512);
  EXPECT_EQ(read(kIn, 512).status, Status::Stalled);
  clear_halt(kIn);
  EXPECT_EQ(status().status, 1);
  EXPECT_THAT(sense(), ::testing::ElementsAre(3, 0x11, 0));
}

TEST_F(StorageFileTest, HasSectorsOf4096Bytes) {
  plug_disk({.path = path, .size = 10 * 4096, .sector = 4096});
  (void)command({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 8);
  EXPECT_EQ(read(kIn, 8).data, raw_bytes({0, 0, 0, 9, 0, 0, 0x10, 0}));
  EXPECT_EQ(status(), csw(0));
}

// --- Removable media -----------------------------------------------------------------------------

class RemovableTest : public StorageTest {
 protected:
  void SetUp() override { plug_disk({.size = 64 * 512}, {.removable = true}); }
  Csw test_unit_ready() {
    (void)command({0x00, 0, 0, 0, 0, 0});
    return status();
  }
};

TEST_F(RemovableTest, SaysThatItsMediumIsOut) {
  storage->disk().eject();
  EXPECT_EQ(test_unit_ready().status, 1);
  EXPECT_THAT(sense(), ::testing::ElementsAre(6, 0x28, 0)) << "first that it changed";
  EXPECT_EQ(test_unit_ready().status, 1);
  EXPECT_THAT(sense(), ::testing::ElementsAre(2, 0x3a, 0));
}

TEST_F(RemovableTest, SaysThatItsMediumChanged) {
  storage->disk().eject();
  storage->disk().insert(DiskImage::open({.size = 8 * 512}).value());
  EXPECT_EQ(test_unit_ready().status, 1);
  EXPECT_THAT(sense(), ::testing::ElementsAre(6, 0x28, 0));
  EXPECT_EQ(test_unit_ready().status, 0);
  (void)command({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 8);
  EXPECT_EQ(read(kIn, 8).data, raw_bytes({0, 0, 0, 7, 0, 0, 2, 0}));
  EXPECT_EQ(status(), csw(0));
}

TEST_F(RemovableTest, TheHostEjectsAndLoads) {
  std::vector<bool> loads;
  storage->disk().on_load = [&](bool load) { loads.push_back(load); };
  (void)command({0x1b, 0, 0, 0, 2, 0});
  EXPECT_EQ(status(), csw(0));
  EXPECT_EQ(test_unit_ready().status, 1);
  EXPECT_THAT(sense(), ::testing::ElementsAre(2, 0x3a, 0));
  (void)command({0x1b, 0, 0, 0, 3, 0});
  EXPECT_EQ(status(), csw(0));
  EXPECT_THAT(loads, ::testing::ElementsAre(false, true));
}

TEST_F(RemovableTest, KeepsAMediumThatTheHostHolds) {
  (void)command({0x1e, 0, 0, 0, 1, 0});
  EXPECT_EQ(status(), csw(0));
  (void)command({0x1b, 0, 0, 0, 2, 0});
  EXPECT_EQ(status(), csw(1));
  EXPECT_THAT(sense(), ::testing::ElementsAre(5, 0x53, 2));
  EXPECT_EQ(test_unit_ready().status, 0);
}

TEST_F(RemovableTest, IsOrderedAboutByCommands) {
  periprox::testing::MemoryStream* stream = nullptr;
  std::vector<std::string> notes;
  auto created =
      create("storage", {{"removable", "1"}, {"size", "4K"}, {"input", "-"}},
             Surroundings{.timers = timers,
                          .open_stream =
                              [&](std::string_view) {
                                auto made = std::make_unique<periprox::testing::MemoryStream>();
                                stream = made.get();
                                return made;
                              },
                          .note = [&](const std::string& text) { notes.push_back(text); }});
  ASSERT_TRUE(created) << created.error().text();
  const auto drive = std::move(*created);
  stream->arrive("eject\ninsert\ninsert\nopen\n");
  EXPECT_THAT(notes, ::testing::ElementsAre("ejected", "inserted an empty disk",
                                            "line 3 is skipped: there is a medium in the drive",
                                            ::testing::HasSubstr("line 4 is skipped:")));
}

}  // namespace
}  // namespace periprox::emulated::testing
