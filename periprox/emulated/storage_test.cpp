// The disk's transport as a host's mass storage driver sees it: every case of the Bulk-Only
// specification, section 6.7, and what goes with it.
#include "periprox/emulated/storage_testing.hpp"

namespace periprox::emulated::testing {
namespace {

// --- What is written is read ---------------------------------------------------------------------

TEST_F(StorageTest, ReadsBackWhatWasWritten) {
  const auto data = pattern(3 * 512);
  EXPECT_EQ(write_sectors(5, data).status, 0);
  EXPECT_EQ(read_sectors(5, 3), data);
  EXPECT_EQ(read_sectors(4, 1), std::vector<std::byte>(512));
}

TEST_F(StorageTest, TakesDataInAnyNumberOfTransfers) {
  const auto data = pattern(4 * 512);
  (void)command({0x2a, 0, 0, 0, 0, 0, 0, 0, 4, 0}, 2048, kToDevice);
  EXPECT_EQ(write(kOut, Bytes(data).first(512)).status, Status::Ok);
  EXPECT_EQ(write(kOut, Bytes(data).subspan(512)).status, Status::Ok);
  EXPECT_EQ(status(), csw(0));
  (void)command({0x28, 0, 0, 0, 0, 0, 0, 0, 4, 0}, 2048);
  auto first = read(kIn, 1536).data;
  const auto second = read(kIn, 512).data;
  first.insert(first.end(), second.begin(), second.end());
  EXPECT_EQ(first, data);
  EXPECT_EQ(status(), csw(0));
}

TEST_F(StorageTest, WaitsWithATransferThatComesTooEarly) {
  const auto early = host->in(kIn, 13);
  (void)command({0x00, 0, 0, 0, 0, 0});
  EXPECT_EQ(host->outcome(early).actual_length, 13U);
}

TEST_F(StorageTest, ServesALongQueueOfCommands) {
  const auto wanted = read_sectors(0, 1);
  for (int i = 0; i < 50; ++i) {
    (void)host->in(kIn, 512);
    (void)host->in(kIn, 13);
  }
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(command({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 512).status, Status::Ok);
  timers.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(host->pending(), 0U);
}

// --- The thirteen cases --------------------------------------------------------------------------

TEST_F(StorageTest, Case1HostAndDeviceWantNothing) {
  EXPECT_EQ(command({0x00, 0, 0, 0, 0, 0}).status, Status::Ok);
  EXPECT_EQ(status(), csw(0));
}

TEST_F(StorageTest, Case2HostWantsNothingDeviceSends) {
  (void)command({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  EXPECT_EQ(status(), csw(2));
}

TEST_F(StorageTest, Case3HostWantsNothingDeviceTakes) {
  (void)command({0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 0, kToDevice);
  EXPECT_EQ(status(), csw(2));
}

TEST_F(StorageTest, Case4HostWantsDataDeviceHasNone) {
  (void)command({0x00, 0, 0, 0, 0, 0}, 512);
  EXPECT_EQ(read(kIn, 512).status, Status::Stalled);
  clear_halt(kIn);
  EXPECT_EQ(status(), csw(0, 512));
}

TEST_F(StorageTest, Case5HostWantsMoreThanDeviceHas) {
  (void)command({0x12, 0, 0, 0, 255, 0}, 255);
  const auto answer = read(kIn, 255);
  EXPECT_EQ(answer.status, Status::Ok);
  EXPECT_EQ(answer.actual_length, 36U) << "a short packet ends the data";
  EXPECT_EQ(read(kIn, 13).status, Status::Stalled);
  clear_halt(kIn);
  EXPECT_EQ(status(), csw(0, 255 - 36));
}

TEST_F(StorageTest, Case5WithFullPacketsEndsTheTransferAsStalled) {
  (void)command({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 1024);
  const auto answer = read(kIn, 1024);
  EXPECT_EQ(answer.status, Status::Stalled);
  EXPECT_EQ(answer.actual_length, 512U);
  clear_halt(kIn);
  EXPECT_EQ(status(), csw(0, 512));
}

TEST_F(StorageTest, Case6HostWantsWhatDeviceHas) {
  (void)command({0x12, 0, 0, 0, 36, 0}, 36);
  EXPECT_EQ(read(kIn, 36).actual_length, 36U);
  EXPECT_EQ(status(), csw(0));
}

TEST_F(StorageTest, Case7HostWantsLessThanDeviceHas) {
  (void)command({0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0}, 512);
  EXPECT_EQ(read(kIn, 512).actual_length, 512U);
  EXPECT_EQ(status(), csw(2));
}

TEST_F(StorageTest, Case8HostWantsDataDeviceTakes) {
  (void)command({0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 512, kToHost);
  EXPECT_EQ(read(kIn, 512).status, Status::Stalled);
  clear_halt(kIn);
  EXPECT_EQ(status(), csw(2, 512));
}

TEST_F(StorageTest, Case9HostSendsDeviceWantsNothing) {
  (void)command({0x00, 0, 0, 0, 0, 0}, 512, kToDevice);
  EXPECT_EQ(write(kOut, pattern(512)).status, Status::Stalled);
  clear_halt(kOut);
  EXPECT_EQ(status(), csw(0, 512));
}

TEST_F(StorageTest, Case10HostSendsDeviceSends) {
  (void)command({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 512, kToDevice);
  EXPECT_EQ(write(kOut, pattern(512)).status, Status::Stalled);
  clear_halt(kOut);
  EXPECT_EQ(status(), csw(2, 512));
}

TEST_F(StorageTest, Case11HostSendsMoreThanDeviceTakes) {
  (void)command({0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 1024, kToDevice);
  const auto sent = write(kOut, pattern(1024));
  EXPECT_EQ(sent.status, Status::Stalled);
  EXPECT_EQ(sent.actual_length, 512U);
  clear_halt(kOut);
  EXPECT_EQ(status(), csw(0, 512));
  EXPECT_EQ(read_sectors(1, 1), std::vector<std::byte>(512));
}

TEST_F(StorageTest, Case11InSeveralTransfersHaltsAfterTheLastThatIsTaken) {
  (void)command({0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 1024, kToDevice);
  EXPECT_EQ(write(kOut, pattern(512)).status, Status::Ok);
  EXPECT_EQ(write(kOut, pattern(512)).status, Status::Stalled);
  clear_halt(kOut);
  EXPECT_EQ(status(), csw(0, 512));
}

TEST_F(StorageTest, Case12HostSendsWhatDeviceTakes) {
  const auto ended = write_sectors(0, pattern(512));
  EXPECT_EQ(ended, csw(0));
}

TEST_F(StorageTest, Case13HostSendsLessThanDeviceTakes) {
  (void)command({0x2a, 0, 0, 0, 0, 0, 0, 0, 2, 0}, 512, kToDevice);
  EXPECT_EQ(write(kOut, pattern(512)).status, Status::Stalled);
  clear_halt(kOut);
  EXPECT_EQ(status(), csw(2, 512));
  EXPECT_EQ(read_sectors(0, 1), std::vector<std::byte>(512)) << "nothing was written";
}

// --- Wrappers that are none, and resets ----------------------------------------------------------

TEST_F(StorageTest, RefusesEverythingAfterABadWrapperUntilResetRecovery) {
  EXPECT_EQ(write(kOut, pattern(31)).status, Status::Ok);
  EXPECT_EQ(write(kOut, pattern(31)).status, Status::Stalled);
  EXPECT_EQ(read(kIn, 13).status, Status::Stalled);
  clear_halt(kIn);
  clear_halt(kOut);
  EXPECT_EQ(read(kIn, 13).status, Status::Stalled) << "clearing the halt alone does not help";
  EXPECT_EQ(control({0x21, 0xff, 0, 0, 0}).status, Status::Ok);
  clear_halt(kIn);
  clear_halt(kOut);
  (void)command({0x00, 0, 0, 0, 0, 0});
  EXPECT_EQ(status(), csw(0));
}

TEST_F(StorageTest, AWrapperOfTheWrongSizeOrForAnotherUnitIsNone) {
  CommandBlockWrapper wrapper{.dCBWSignature = kCbwSignature, .bCBWCBLength = 6};
  EXPECT_EQ(write(kOut, bytes_of(wrapper).first(30)).status, Status::Ok);
  EXPECT_EQ(read(kIn, 13).status, Status::Stalled);
  (void)control(usb::SetupPacket::port_reset());
  wrapper.bCBWLUN = 1;
  EXPECT_EQ(write(kOut, bytes_of(wrapper)).status, Status::Ok);
  EXPECT_EQ(read(kIn, 13).status, Status::Stalled);
}

TEST_F(StorageTest, HasOneUnit) {
  EXPECT_EQ(control({0xa1, 0xfe, 0, 0, 1}).data, raw_bytes({0}));
  EXPECT_EQ(control({0xa1, 0xfe, 1, 0, 1}).status, Status::Stalled);
}

TEST_F(StorageTest, AResetInTheMiddleOfACommandForgetsIt) {
  (void)command({0x2a, 0, 0, 0, 0, 0, 0, 0, 2, 0}, 1024, kToDevice);
  EXPECT_EQ(write(kOut, pattern(512)).status, Status::Ok);
  EXPECT_EQ(control({0x21, 0xff, 0, 0, 0}).status, Status::Ok);
  EXPECT_EQ(read_sectors(0, 1), pattern(512)) << "what came was written";
}

TEST_F(StorageTest, FlushesBeforeItSaysSo) {
  (void)command({0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(status(), csw(0));
}

TEST_F(StorageTest, AFlushThatOutlivesAResetAnswersNobody) {
  (void)command({0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(control({0x21, 0xff, 0, 0, 0}).status, Status::Ok);
  (void)command({0x12, 0, 0, 0, 36, 0}, 36);
  EXPECT_EQ(read(kIn, 36).actual_length, 36U);
  EXPECT_EQ(status(), csw(0));
}

// --- Failures ------------------------------------------------------------------------------------

TEST_F(StorageTest, NamesAnUnknownCommand) {
  (void)command({0x04, 0, 0, 0, 0, 0});
  EXPECT_EQ(status(), csw(1));
  EXPECT_THAT(sense(), ::testing::ElementsAre(5, 0x20, 0));
  EXPECT_THAT(sense(), ::testing::ElementsAre(0, 0, 0)) << "told once";
}

TEST_F(StorageTest, RefusesBlocksBeyondTheEnd) {
  (void)command({0x28, 0, 0, 0, 0, 63, 0, 0, 2, 0}, 1024);
  EXPECT_EQ(read(kIn, 1024).status, Status::Stalled);
  clear_halt(kIn);
  EXPECT_EQ(status(), csw(1, 1024));
  EXPECT_THAT(sense(), ::testing::ElementsAre(5, 0x21, 0));
  EXPECT_EQ(read_sectors(63, 1).size(), 512U);
}

// --- What it says about itself -------------------------------------------------------------------

TEST_F(StorageTest, ListsItsPagesOfProductData) {
  (void)command({0x12, 1, 0, 0, 9, 0}, 9);
  EXPECT_EQ(read(kIn, 9).data, raw_bytes({0, 0, 0, 5, 0, 0x80, 0x83, 0xb0, 0xb1}));
  EXPECT_EQ(status(), csw(0));
  (void)command({0x12, 1, 0x77, 0, 255, 0}, 255);
  EXPECT_EQ(read(kIn, 255).status, Status::Stalled);
}

TEST_F(StorageTest, SaysThatItHasAWriteCache) {
  (void)command({0x5a, 0, 0x08, 0, 0, 0, 0, 0, 28, 0}, 28);
  const auto page = read(kIn, 28).data;
  EXPECT_EQ(status().status, 0);
  ASSERT_EQ(page.size(), 28U);
  EXPECT_EQ(page[8], std::byte{0x08});
  EXPECT_EQ(page[10], std::byte{0x04});
}

TEST_F(StorageTest, ReadsItsSettings) {
  const auto refused = [&](const Settings& settings) {
    const auto created = create("storage", settings, timers);
    return created ? std::string("created") : created.error().text();
  };
  EXPECT_THAT(refused({{"size", "lots"}}), ::testing::HasSubstr("size=lots is not a size such as"));
  EXPECT_THAT(refused({{"size", "0"}}), ::testing::HasSubstr("is not a size"));
  EXPECT_THAT(refused({{"sector", "520"}}), ::testing::HasSubstr("sector=520 is not 512 or 4096"));
  EXPECT_THAT(refused({{"image", "/nowhere/disk.img"}}),
              ::testing::HasSubstr("size=8G makes a new one"));
}

}  // namespace
}  // namespace periprox::emulated::testing
