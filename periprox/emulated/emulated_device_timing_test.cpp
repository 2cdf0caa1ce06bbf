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
  void jump_without_calls(Duration step) { now_ += step; }
  /// Jumps without calling on the way; then makes what is due, again and again.
  void jump(Duration step) {
    jump_without_calls(step);
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

/// An isochronous pipe of 8000 packets a second, on timers that are late, with a host that keeps
/// URBs of 4 ms pending and notes which frames the device was asked for.
class LateIsochronous : public ::testing::Test {
 protected:
  static constexpr std::size_t kPackets = 32;

  void SetUp() override {
    auto declaration = with_endpoints({iso_in(1, {.max_packet_size = 8, .interval = 125us},
                                              [this](std::uint64_t frame, MutableBytes) {
                                                if (frames_ != 0) missed_ += frame - next_;
                                                next_ = frame + 1;
                                                ++frames_;
                                                return 0U;
                                              })});
    device_ = EmulatedDevice::create(std::move(declaration), Speed::High, timers_).value();
    host_ = std::make_unique<TestHost>(*device_);
    host_->control(SetupPacket::set_interface(0, 1));
  }
  void submit(int count) {
    for (int i = 0; i < count; ++i) host_->isochronous(kIn1, kPackets, 8);
  }

  LateTimers timers_;
  std::uint64_t frames_ = 0;
  std::uint64_t missed_ = 0;
  std::uint64_t next_ = 0;
  std::unique_ptr<EmulatedDevice> device_;
  std::unique_ptr<TestHost> host_;
};

TEST_F(LateIsochronous, MissesNoFrameWhenTheDeviceIsLateForAllThatIsPending) {
  submit(8);
  timers_.jump(50ms);
  EXPECT_EQ(host_->pending(), 0U) << "32 ms were pending";
  // The host hears of it a moment later, and submits one URB for each that came back.
  for (int i = 0; i < 8; ++i) {
    timers_.jump(200us);
    submit(1);
  }
  EXPECT_GT(host_->pending(), 0U) << "caught up: the stream is paced again";
  timers_.jump(1s);
  EXPECT_EQ(frames_, 16 * kPackets);
  EXPECT_EQ(missed_, 0U);
}

TEST_F(LateIsochronous, MissesNoFrameWhenAnUrbComesBeforeTheLateTimerDoes) {
  submit(1);
  timers_.jump_without_calls(20ms);
  submit(1);
  timers_.jump(20ms);
  EXPECT_EQ(frames_, 2 * kPackets);
  EXPECT_EQ(missed_, 0U);
}

TEST_F(LateIsochronous, MissesFramesWhenTheHostIsLate) {
  submit(2);
  timers_.jump(9ms);
  ASSERT_EQ(host_->pending(), 0U);
  // On hardware the second URB ended 8.125 ms after the start, and the pipe has been dry since
  // then.
  timers_.jump(10ms);
  submit(1);
  timers_.jump(10ms);
  EXPECT_EQ(frames_, 3 * kPackets);
  EXPECT_NEAR(static_cast<double>(missed_), 48, 8)
      << "about 6 ms, of the clock as it was for the host";
}

TEST_F(LateIsochronous, ForgetsALatenessThatWasCaughtUpWith) {
  submit(1);
  timers_.jump(10ms);
  submit(3);
  ASSERT_EQ(host_->pending(), 2U) << "the last of them lies ahead again";
  // They end in time: 4.125 ms and three times 4 ms after the start.
  timers_.jump(2250us);
  timers_.jump(4ms);
  ASSERT_EQ(host_->pending(), 0U);
  timers_.jump(100ms);
  submit(1);
  timers_.jump(10ms);
  const auto now = 10ms + 2250us + 4ms + 100ms;
  EXPECT_EQ(host_->completions().back().start_frame, now / 125us + 1) << "the next frame";
}

TEST_F(LateIsochronous, MakesUpForOneSecondAtMost) {
  submit(1);
  timers_.jump(3600s);
  submit(1);
  EXPECT_EQ(host_->pending(), 0U);
  EXPECT_EQ(host_->completions().back().start_frame, 3599 * 8000 + 1);
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
