#include "periprox/stage/limit_stage.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/stage/stage_testing.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::stage {
namespace {

using namespace std::chrono_literals;
using testing::HeldDevice;
using usb::EndpointAddress;
using usb::Status;
using usb::testing::TestHost;

const EndpointAddress kIn(0x82);
const EndpointAddress kOut(0x02);
const EndpointAddress kInterrupt(0x81);

/// Gives nothing back when it is cancelled; everything when it is reset.
class StuckDevice final : public usb::Device {
 public:
  [[nodiscard]] const usb::DeviceModel& model() const override { return held.model(); }
  void submit(usb::Urb urb) override {
    if (urb->setup.is_port_reset()) {
      ++resets;
      while (!held.held.empty()) held.cancel(held.held.front().handle());
      return;
    }
    held.submit(std::move(urb));
  }
  void cancel(usb::UrbHandle /*urb*/) override {}
  [[nodiscard]] Payload allocate(std::uint32_t size) override { return held.allocate(size); }
  void on_gone(std::function<void()> handler) override { held.on_gone(std::move(handler)); }

  HeldDevice held;
  int resets = 0;
};

class LimitStageTest : public ::testing::Test {
 protected:
  LimitOptions options_of(std::initializer_list<std::string_view> texts) {
    LimitOptions options;
    options.say = [this](const std::string& what) { said.push_back(what); };
    std::vector<LimitRule> rules;
    for (const auto text : texts) {
      rules.push_back(parse_limit_rule(text).value());
      if (rules.back().kind == LimitRule::Kind::Breaker) options.breaker = rules.back();
      if (rules.back().kind == LimitRule::Kind::Orphans) options.patience = rules.back().patience;
    }
    options.limiter = std::make_shared<RateLimiter>(rules, timers);
    return options;
  }
  void make(std::initializer_list<std::string_view> texts) {
    host.reset();
    auto held = std::make_shared<HeldDevice>();
    device = held.get();
    stage = std::make_unique<LimitStage>(std::move(held), options_of(texts), timers);
    host = std::make_unique<TestHost>(*stage);
  }
  /// One that the device answers at once.
  Status ask(Status answer) {
    const auto id = host->in(kIn, 8);
    if (!device->held.empty()) device->complete_next("", answer);
    timers.advance(10ms);
    return host->outcome(id).status;
  }

  SimulatedTimers timers;
  std::vector<std::string> said;
  HeldDevice* device = nullptr;
  std::unique_ptr<LimitStage> stage;
  std::unique_ptr<TestHost> host;
};

// ---- Rates

TEST_F(LimitStageTest, HoldsBackWhatComesTooFast) {
  make({"urbs=10"});
  for (int i = 0; i < 10; ++i) host->in(kIn, 8);
  EXPECT_LE(device->held.size(), 2U);
  timers.advance(1s);
  EXPECT_EQ(device->held.size(), 10U);
}

TEST_F(LimitStageTest, CountsTheBytesThatCameIn) {
  make({"bytes=1k"});
  host->in(kIn, 4000);
  device->complete_next(std::string(4000, 'x'));
  host->in(kIn, 8);
  EXPECT_TRUE(device->held.empty());
  timers.advance(3s);
  EXPECT_TRUE(device->held.empty());
  timers.advance(1s);
  EXPECT_EQ(device->held.size(), 1U);
}

TEST_F(LimitStageTest, CancelsWhatWaitsAtOnce) {
  make({"urbs=1"});
  host->in(kIn, 8);
  const auto second = host->in(kIn, 8);
  host->cancel(second);
  EXPECT_EQ(host->outcome(second).status, Status::Cancelled);
  timers.advance(10s);
  EXPECT_EQ(device->held.size(), 1U);
}

TEST_F(LimitStageTest, GivesBackWhatWaitsWhenTheDeviceGoes) {
  make({"urbs=1"});
  for (int i = 0; i < 3; ++i) host->in(kIn, 8);
  bool gone = false;
  stage->on_gone([&] { gone = true; });
  device->unplug();
  EXPECT_TRUE(gone);
  EXPECT_EQ(host->pending(), 0U);
  for (const auto& completion : host->completions())
    EXPECT_EQ(completion.status, Status::DeviceGone);
}

TEST_F(LimitStageTest, GivesBackEverythingWhenItIsDestroyed) {
  make({"urbs=1"});
  for (int i = 0; i < 3; ++i) host->in(kIn, 8);
  stage.reset();
  EXPECT_EQ(host->pending(), 0U);
}

TEST_F(LimitStageTest, SharesARateBetweenDevices) {
  const auto options = options_of({"urbs=10"});
  auto* const first = new HeldDevice;
  auto* const second = new HeldDevice;
  LimitStage first_stage(std::shared_ptr<HeldDevice>(first), options, timers);
  LimitStage second_stage(std::shared_ptr<HeldDevice>(second), options, timers);
  TestHost first_host(first_stage);
  TestHost second_host(second_stage);
  for (int i = 0; i < 100; ++i) first_host.in(kIn, 8);
  for (int i = 0; i < 100; ++i) second_host.in(kIn, 8);
  timers.advance(4s);
  EXPECT_NEAR(static_cast<double>(first->held.size()), 20, 3);
  EXPECT_NEAR(static_cast<double>(second->held.size()), 20, 3);
}

// ---- The breaker

TEST_F(LimitStageTest, RefusesWhileTheBreakerIsOpen) {
  make({"breaker,least=3"});
  for (int i = 0; i < 3; ++i) ask(Status::NoResponse);
  EXPECT_EQ(ask(Status::Ok), Status::ProtocolError);
  EXPECT_TRUE(device->held.empty());
  EXPECT_EQ(said, std::vector<std::string>{
                      "3 of its last 3 transfers failed; it is left alone for 5.0 s"});
}

TEST_F(LimitStageTest, SaysThatItWorksAgain) {
  make({"breaker,least=3"});
  for (int i = 0; i < 3; ++i) ask(Status::NoResponse);
  ask(Status::Ok);
  timers.advance(5s);
  EXPECT_EQ(ask(Status::Ok), Status::Ok);
  EXPECT_EQ(said.back(), "it works again; everything passes (1 were refused meanwhile)");
}

TEST_F(LimitStageTest, RefusesNothingBeforeWhatCameEarlier) {
  make({"breaker,least=3"});
  const auto waits = host->in(kInterrupt, 8);
  for (int i = 0; i < 3; ++i) {
    host->out(kOut, {});
    auto urb = std::move(device->held.back());
    device->held.pop_back();
    urb.complete(Status::NoResponse, 0);
  }
  const auto refused = host->in(kInterrupt, 8);
  timers.advance(1s);
  EXPECT_EQ(host->times_completed(refused), 0U);
  device->complete_next("key");
  EXPECT_EQ(host->outcome(waits).status, Status::Ok);
  EXPECT_EQ(host->outcome(refused).status, Status::ProtocolError);
}

TEST_F(LimitStageTest, LetsAResetPassAnOpenBreaker) {
  make({"breaker,least=3"});
  for (int i = 0; i < 3; ++i) ask(Status::NoResponse);
  host->control(usb::SetupPacket::port_reset());
  EXPECT_EQ(device->held.size(), 1U);
}

TEST_F(LimitStageTest, CancelsWhatIsRefused) {
  make({"breaker,least=3"});
  for (int i = 0; i < 3; ++i) ask(Status::NoResponse);
  const auto refused = host->in(kIn, 8);
  host->cancel(refused);
  EXPECT_EQ(host->outcome(refused).status, Status::Cancelled);
}

// ---- Orphans

TEST_F(LimitStageTest, ReportsAndResetsWhatDoesNotComeBack) {
  auto stuck = std::make_shared<StuckDevice>();
  auto* const seen = stuck.get();
  stage = std::make_unique<LimitStage>(std::move(stuck), options_of({"orphans"}), timers);
  host = std::make_unique<TestHost>(*stage);
  const auto id = host->in(kIn, 8);
  host->cancel(id);
  timers.advance(4999ms);
  EXPECT_EQ(seen->resets, 0);
  timers.advance(1ms);
  EXPECT_EQ(seen->resets, 1);
  EXPECT_EQ(host->outcome(id).status, Status::Cancelled);
  EXPECT_EQ(said, std::vector<std::string>{
                      "1 transfer that nobody wants any more did not come back; the device is "
                      "reset"});
}

TEST_F(LimitStageTest, ReportsOrphansAnewWhenTheEarlierOnesCameBack) {
  auto stuck = std::make_shared<StuckDevice>();
  stage = std::make_unique<LimitStage>(std::move(stuck), options_of({"orphans"}), timers);
  host = std::make_unique<TestHost>(*stage);
  host->cancel(host->in(kIn, 8));
  timers.advance(20s);
  host->cancel(host->in(kIn, 8));
  timers.advance(20s);
  EXPECT_EQ(said.size(), 2U);
}

TEST_F(LimitStageTest, SaysNothingOfWhatComesBackInTime) {
  make({"orphans"});
  host->cancel(host->in(kIn, 8));
  timers.advance(1min);
  EXPECT_TRUE(said.empty());
}

TEST_F(LimitStageTest, CancelsWhatAClientLeft) {
  make({"urbs=1"});
  host->in(kIn, 8);
  host->in(kIn, 8);
  stage->abandon();
  EXPECT_EQ(host->pending(), 0U);
  EXPECT_EQ(said,
            std::vector<std::string>{"2 transfers of a client that is gone had to be cancelled"});
}

TEST_F(LimitStageTest, SaysNothingOfAClientThatLeftNothing) {
  make({"orphans"});
  stage->abandon();
  EXPECT_TRUE(said.empty());
}

}  // namespace
}  // namespace periprox::stage
