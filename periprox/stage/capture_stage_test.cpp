#include "periprox/stage/capture_stage.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/stage/stage_testing.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::stage {
namespace {

using namespace std::chrono_literals;
using testing::HeldDevice;
using testing::SeenCapture;
using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Status;
using usb::testing::TestHost;
using Event = wire::UsbRecord::Event;

class CaptureStageTest : public ::testing::Test {
 protected:
  CaptureStageTest() { make(CaptureBuffer::kDefaultCapacity, RecordBlock::kMostData); }

  void make(std::size_t capacity, std::uint32_t snap_length) {
    host.reset();
    stage.reset();
    buffer = std::make_unique<CaptureBuffer>(capacity);
    auto held = std::make_shared<HeldDevice>();
    device = held.get();
    stage = std::make_unique<CaptureStage>(std::move(held),
                                           CaptureOptions{.name = "test", .bus = 3, .device = 9},
                                           CalendarClock{.timers = &timers, .ahead = 1'000s});
    stage->add(*buffer, snap_length);
    host = std::make_unique<TestHost>(*stage);
  }
  SeenCapture seen() { return SeenCapture(testing::drain(*buffer)); }

  SimulatedTimers timers;
  std::unique_ptr<CaptureBuffer> buffer;
  HeldDevice* device = nullptr;
  std::unique_ptr<CaptureStage> stage;
  std::unique_ptr<TestHost> host;
};

TEST_F(CaptureStageTest, BeginsWithWhatIsKnownOfTheDevice) {
  const auto capture = seen();
  ASSERT_TRUE(capture.valid);
  ASSERT_EQ(capture.interfaces.size(), 1U);
  EXPECT_EQ(capture.interfaces[0].name, "test");
  EXPECT_EQ(capture.interfaces[0].bits_per_second, 480'000'000U);
  // Device, configuration, languages, product, SET_CONFIGURATION: two records each.
  ASSERT_EQ(capture.known.size(), 10U);
  EXPECT_EQ(capture.known[0].record.setup, SetupPacket::get_descriptor(1, 0, 18));
  EXPECT_EQ(capture.known[1].data.size(), 18U);
  EXPECT_EQ(capture.known[3].record.length, 9U + 9 + 3 * 7);
  EXPECT_EQ(capture.known[8].record.setup, SetupPacket::set_configuration(1));
  EXPECT_TRUE(capture.records.empty());
}

TEST_F(CaptureStageTest, RecordsAnUrbOnItsWayDownAndBack) {
  timers.advance(5ms);
  host->in(EndpointAddress(0x82), 64);
  timers.advance(2ms);
  device->complete_next("hello");
  const auto capture = seen();
  ASSERT_EQ(capture.records.size(), 2U);
  const auto& [submitted, completed] = std::tie(capture.records[0], capture.records[1]);
  EXPECT_EQ(submitted.record.event, Event::Submit);
  EXPECT_EQ(submitted.record.length, 64U);
  EXPECT_EQ(submitted.record.bus, 3);
  EXPECT_EQ(submitted.record.device, 9);
  EXPECT_EQ(submitted.time, 1'000'005'000'000U);
  EXPECT_EQ(completed.record.event, Event::Complete);
  EXPECT_EQ(completed.record.id, submitted.record.id);
  EXPECT_EQ(completed.data, "hello");
  EXPECT_EQ(completed.time, 1'000'007'000'000U);
}

TEST_F(CaptureStageTest, KeepsOnlyAsMuchDataAsAskedFor) {
  make(CaptureBuffer::kDefaultCapacity, 2);
  host->out(EndpointAddress(0x02), bytes_of_text("abcdef"));
  device->complete_next();
  const auto capture = seen();
  ASSERT_EQ(capture.records.size(), 2U);
  EXPECT_EQ(capture.records[0].data, "ab");
  EXPECT_EQ(capture.records[0].record.length, 6U);
}

TEST_F(CaptureStageTest, SaysWhichUrbsTheHostCancelled) {
  const auto id = host->in(EndpointAddress(0x81), 8);
  host->in(EndpointAddress(0x81), 8);
  host->cancel(id);
  device->complete_next("x");
  const auto capture = seen();
  ASSERT_EQ(capture.records.size(), 4U);
  EXPECT_EQ(capture.records[2].record.status, Status::Cancelled);
  ASSERT_EQ(capture.records[2].comments.size(), 1U);
  EXPECT_NE(capture.records[2].comments[0].find("cancel"), std::string::npos);
  EXPECT_TRUE(capture.records[3].comments.empty());
}

TEST_F(CaptureStageTest, PutsANoteBesideTheNextRecord) {
  stage->note("used by somebody");
  host->in(EndpointAddress(0x81), 8);
  const auto capture = seen();
  EXPECT_EQ(capture.records[0].comments, std::vector<std::string>{"used by somebody"});
}

TEST_F(CaptureStageTest, DropsAndCountsWhenThereIsNoRoom) {
  make(4096, RecordBlock::kMostData);
  const std::vector<std::byte> data(1500);
  for (int i = 0; i < 3; ++i) host->out(EndpointAddress(0x02), data);
  auto full = seen();  // Makes room again.
  EXPECT_EQ(full.records.size(), 2U);
  EXPECT_EQ(full.dropped, 1U);
  device->complete_next();
  const auto after = seen();
  ASSERT_EQ(after.records.size(), 1U);
  EXPECT_EQ(after.records[0].dropped, 1U);
  EXPECT_EQ(host->completions().size(), 1U);
}

TEST_F(CaptureStageTest, NeverRecordsMoreThanWiresharkReads) {
  host->out(EndpointAddress(0x02), std::vector<std::byte>(1 << 20));
  const auto capture = seen();
  ASSERT_EQ(capture.records.size(), 1U);
  EXPECT_EQ(capture.records[0].data.size(), 262'144U - 64);
  EXPECT_EQ(capture.records[0].record.length, 1U << 20);
}

TEST_F(CaptureStageTest, RecordsWhatComesBackWhenTheDeviceGoes) {
  host->in(EndpointAddress(0x81), 8);
  bool gone = false;
  stage->on_gone([&] { gone = true; });
  device->unplug();
  EXPECT_TRUE(gone);
  EXPECT_EQ(seen().records.back().record.status, Status::DeviceGone);
}

TEST_F(CaptureStageTest, DestroyingItCompletesAndRecordsEverything) {
  const auto id = host->in(EndpointAddress(0x81), 8);
  stage.reset();
  EXPECT_EQ(host->times_completed(id), 1U);
  EXPECT_EQ(seen().records.size(), 2U);
}

TEST_F(CaptureStageTest, RingWrapsWithoutLosingARecord) {
  make(8192, RecordBlock::kMostData);
  const std::vector<std::byte> data(700);
  for (int i = 0; i < 500; ++i) {
    host->out(EndpointAddress(0x02), data);
    device->complete_next();
    const auto capture = seen();
    ASSERT_TRUE(capture.valid) << i;
    ASSERT_EQ(capture.records.size(), 2U) << i;
    ASSERT_EQ(capture.dropped, 0U);
  }
}

TEST_F(CaptureStageTest, PassesUrbsUntouchedWhileNobodyCaptures) {
  stage->remove(*buffer);
  host->in(EndpointAddress(0x82), 64);
  EXPECT_EQ(device->held.size(), 1U);
  device->complete_next("hello");
  EXPECT_EQ(host->completions().size(), 1U);
  EXPECT_TRUE(seen().records.empty());
}

TEST_F(CaptureStageTest, BeginsACaptureWhileOthersRun) {
  host->in(EndpointAddress(0x82), 64);
  CaptureBuffer late;
  stage->add(late, 3);
  device->complete_next("submitted before");
  host->in(EndpointAddress(0x82), 64);
  device->complete_next("hello");
  stage->remove(late);
  host->in(EndpointAddress(0x82), 64);
  EXPECT_EQ(seen().records.size(), 5U);
  const SeenCapture second(testing::drain(late));
  ASSERT_TRUE(second.valid);
  EXPECT_EQ(second.known.size(), 10U);
  // What was submitted before it is not half there.
  ASSERT_EQ(second.records.size(), 2U);
  EXPECT_EQ(second.records[0].record.id, second.records[1].record.id);
  EXPECT_EQ(second.records[1].data, "hel");
}

TEST_F(CaptureStageTest, TellsEachCaptureWhenTheDeviceIsGone) {
  int told = 0;
  int ended = 0;
  CaptureBuffer other;
  stage->add(other, 64, [&] { ++ended; });
  stage->on_gone([&] { ++told; });
  device->unplug();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(ended, 1);
  stage->remove(other);
}

}  // namespace
}  // namespace periprox::stage
