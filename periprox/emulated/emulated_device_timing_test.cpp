// The engine in time: polling intervals, frames, late timers.
#include <deque>

#include "periprox/emulated/emulated_device_testing.hpp"

namespace periprox::emulated {
namespace {

// --- Interrupt -----------------------------------------------------------------------------------

TEST_F(EmulatedDeviceTest, PacesInterruptTransfersAtTheirInterval) {
  plug({interrupt_in(1, {.max_packet_size = 8, .interval = 8ms},
                     [](InTransfer t) { t.send(counting(8)); })},
       Speed::Full);
  for (int i = 0; i < 3; ++i) host->in(kIn1, 8);
  EXPECT_EQ(host->pending(), 2U) << "the first poll is now";
  timers.advance(7ms);
  EXPECT_EQ(host->pending(), 2U);
  timers.advance(1ms);
  EXPECT_EQ(host->pending(), 1U);
  timers.advance(8ms);
  EXPECT_EQ(host->pending(), 0U);
  EXPECT_EQ(timers.pending(), 0U) << "an idle device has no timer";
}

TEST_F(EmulatedDeviceTest, ATransferOfManyPacketsTakesAsManyIntervals) {
  plug({interrupt_in(1, {.max_packet_size = 64, .interval = 1ms},
                     [](InTransfer t) { t.send(counting(t.length())); })},
       Speed::Full);
  host->in(kIn1, 256);
  host->in(kIn1, 64);
  timers.advance(3ms);
  EXPECT_EQ(host->pending(), 1U);
  timers.advance(1ms);
  EXPECT_EQ(host->pending(), 0U);
}

TEST_F(EmulatedDeviceTest, AHeldInterruptTransferIsAnsweredAtOnce) {
  InTransfer held;
  plug({interrupt_in(1, {.max_packet_size = 8, .interval = 8ms},
                     [&](InTransfer t) { held = std::move(t); })});
  const auto id = host->in(kIn1, 8);
  timers.advance(1s);
  EXPECT_EQ(timers.pending(), 0U);
  held.send(counting(4));
  EXPECT_EQ(host->outcome(id).actual_length, 4U);
}

/// Timers that call back too late, as a busy machine does.
class LateTimers final : public Timers {
 public:
  [[nodiscard]] TimePoint now() const override { return now_; }
  TimerId call_at(TimePoint when, std::function<void()> callback) override {
    calls_.emplace_back(when, std::move(callback));
    return TimerId(++last_);
  }
  void cancel(TimerId) override {}
  /// Jumps without calling on the way; then makes what is due, again and again.
  void jump(Duration step) {
    now_ += step;
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      if (calls_[i].first > now_ || !calls_[i].second) continue;
      std::exchange(calls_[i].second, nullptr)();
    }
  }

 private:
  TimePoint now_{};
  std::uint64_t last_ = 0;
  std::deque<std::pair<TimePoint, std::function<void()>>> calls_;
};

TEST(EmulatedDevicePacing, CatchesUpWithoutDriftWhenTheTimerIsLate) {
  LateTimers timers;
  std::vector<Duration> served;
  const auto start = timers.now();
  Declaration declaration = with_endpoints({});
  declaration.configurations[0].interfaces[0].settings[0].endpoints = {
      interrupt_in(1, {.max_packet_size = 8, .interval = 10ms}, [&](InTransfer t) {
        served.push_back(timers.now() - start);
        t.send(counting(8));
      })};
  declaration.speeds = {Speed::Low};
  auto device = EmulatedDevice::create(std::move(declaration), Speed::Low, timers).value();
  TestHost host(*device);
  for (int i = 0; i < 5; ++i) host.in(kIn1, 8);
  timers.jump(25ms);
  timers.jump(5ms);
  timers.jump(10ms);
  EXPECT_THAT(served, ElementsAre(0ms, 25ms, 25ms, 30ms, 40ms));
}

// --- Isochronous ---------------------------------------------------------------------------------

TEST_F(EmulatedDeviceTest, CompletesAnIsochronousUrbWhenItsLastFrameIsOver) {
  plug(
      {iso_in(1, {.max_packet_size = 100, .interval = 125us}, [](std::uint64_t, MutableBytes room) {
        return static_cast<std::uint32_t>(room.size());
      })});
  const auto id = host->isochronous(kIn1, 128, 100);
  timers.advance(128 * 125us);
  EXPECT_EQ(host->times_completed(id), 0U) << "it starts in the next microframe, not in this one";
  timers.advance(125us);
  const auto outcome = host->outcome(id);
  EXPECT_EQ(outcome.status, Status::Ok);
  EXPECT_EQ(outcome.actual_length, 12800U);
  EXPECT_EQ(outcome.start_frame, 1);
  EXPECT_EQ(timers.pending(), 0U);
}

TEST_F(EmulatedDeviceTest, QueuedIsochronousUrbsFollowEachOtherWithoutAGap) {
  std::vector<std::uint64_t> frames;
  plug({iso_in(1, {.max_packet_size = 8, .interval = 1ms},
               [&](std::uint64_t frame, MutableBytes) {
                 frames.push_back(frame);
                 return 0U;
               })},
       Speed::Full);
  timers.advance(3500us);
  host->isochronous(kIn1, 2, 8);
  const auto second = host->isochronous(kIn1, 2, 8);
  timers.advance(10ms);
  EXPECT_THAT(frames, ElementsAre(4U, 5U, 6U, 7U));
  EXPECT_EQ(host->outcome(second).start_frame, 6);
}

TEST_F(EmulatedDeviceTest, KeepsShortIsochronousPacketsAtTheirOffsets) {
  std::uint32_t next = 0;
  plug({iso_in(1, {.max_packet_size = 8, .interval = 1ms},
               [&](std::uint64_t, MutableBytes room) {
                 std::ranges::fill(room, static_cast<std::byte>(next));
                 return next++;
               })},
       Speed::Full);
  const auto id = host->isochronous(kIn1, 3, 8);
  timers.advance(10ms);
  const auto outcome = host->outcome(id);
  EXPECT_EQ(outcome.actual_length, 3U);
  EXPECT_EQ(outcome.packets[2].offset, 16U);
  EXPECT_EQ(outcome.packets[2].actual_length, 2U);
  EXPECT_EQ(outcome.data, raw_bytes({1, 2, 2}));
}

TEST_F(EmulatedDeviceTest, GivesEachIsochronousOutPacketToItsHandler) {
  std::size_t bytes = 0;
  plug({iso_out(1, {.max_packet_size = 64, .interval = 1ms},
                [&](std::uint64_t, Bytes data) { bytes += data.size(); })},
       Speed::Full);
  const auto id = host->isochronous(kOut1, 4, 64);
  timers.advance(10ms);
  EXPECT_EQ(bytes, 256U);
  EXPECT_EQ(host->outcome(id).actual_length, 256U);
  EXPECT_EQ(host->outcome(id).packets[3].actual_length, 64U);
}

TEST_F(EmulatedDeviceTest, RefusesIsochronousPacketsThatAreTooLarge) {
  plug({iso_in(1, {.max_packet_size = 64, .interval = 1ms}, {})}, Speed::Full);
  const auto id = host->isochronous(kIn1, 1, 65);
  EXPECT_EQ(host->outcome(id).status, Status::TooLarge);
}

TEST_F(EmulatedDeviceTest, RefusesIsochronousPacketsOutsideTheBuffer) {
  plug({iso_in(1, {.max_packet_size = 64, .interval = 1ms}, {})}, Speed::Full);
  auto urb = usb::Urb::create();
  urb->endpoint = kIn1;
  urb->type = usb::TransferType::Isochronous;
  urb->length = 64;
  urb->iso_packets = {{.offset = 0xfffffff0, .length = 64}};
  const auto id = host->submit(std::move(urb));
  EXPECT_EQ(host->outcome(id).status, Status::InvalidArgument);
}

TEST_F(EmulatedDeviceTest, TakesAnIsochronousUrbWithoutPackets) {
  plug({iso_in(1, {.max_packet_size = 64, .interval = 1ms}, {})}, Speed::Full);
  const auto id = host->isochronous(kIn1, 0, 64);
  timers.advance(2ms);
  EXPECT_EQ(host->outcome(id).status, Status::Ok);
}

}  // namespace
}  // namespace periprox::emulated
