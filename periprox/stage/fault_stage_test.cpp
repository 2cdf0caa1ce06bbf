#include "periprox/stage/fault_stage.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <memory>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/stage/stage_testing.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::stage {
namespace {

using namespace std::chrono_literals;
using testing::HeldDevice;
using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Status;
using usb::testing::TestHost;

const EndpointAddress kIn(0x82);
const EndpointAddress kOut(0x02);

class FaultStageTest : public ::testing::Test {
 protected:
  void make(std::initializer_list<std::string_view> rules, std::uint64_t seed = 1) {
    FaultOptions options;
    options.dice = std::make_shared<std::vector<FaultDice>>();
    for (const auto rule : rules) {
      options.dice->emplace_back(seed, 0, options.rules.size());
      options.rules.push_back(parse_fault_rule(rule).value());
    }
    options.note = [this](usb::UrbHandle, const std::string& what) { notes.push_back(what); };
    options.reconnect = [this](std::shared_ptr<usb::Device> back) { returned = std::move(back); };
    host.reset();
    auto held = std::make_shared<HeldDevice>();
    device = held.get();
    stage = std::make_unique<FaultStage>(std::move(held), std::move(options), timers);
    host = std::make_unique<TestHost>(*stage);
  }
  std::string data_of(std::uint64_t id) const {
    const auto data = host->outcome(id).data;
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }

  SimulatedTimers timers;
  std::vector<std::string> notes;
  std::shared_ptr<usb::Device> returned;
  HeldDevice* device = nullptr;
  std::unique_ptr<FaultStage> stage;
  std::unique_ptr<TestHost> host;
};

TEST_F(FaultStageTest, StallsInsteadOfTheDevice) {
  make({"stall,nth=2"});
  const auto first = host->in(kIn, 8);
  device->complete_next("a");
  const auto second = host->in(kIn, 8);
  EXPECT_EQ(host->outcome(first).status, Status::Ok);
  EXPECT_EQ(host->outcome(second).status, Status::Stalled);
  EXPECT_TRUE(device->held.empty());
  EXPECT_EQ(notes, std::vector<std::string>{"PeriProx: fault 'stall,nth=2': stalled"});
}

TEST_F(FaultStageTest, AnAnswerOfItsOwnWaitsForThoseBeforeIt) {
  make({"error=EILSEQ,nth=2"});
  const auto first = host->in(kIn, 8);
  const auto second = host->in(kIn, 8);
  EXPECT_TRUE(host->completions().empty());
  device->complete_next("a");
  EXPECT_EQ(host->order(), (std::vector<std::uint64_t>{first, second}));
  EXPECT_EQ(host->outcome(second).status, Status::CrcError);
}

TEST_F(FaultStageTest, DroppedUrbIsAnsweredOnlyWhenCancelled) {
  make({"drop,times=1"});
  const auto dropped = host->in(kIn, 8);
  const auto next = host->in(kIn, 8);
  device->complete_next("b");
  timers.advance(1h);
  EXPECT_TRUE(host->completions().empty());
  host->cancel(dropped);
  EXPECT_EQ(host->outcome(dropped).status, Status::Cancelled);
  EXPECT_EQ(data_of(next), "b");
}

TEST_F(FaultStageTest, DelaysTheAnswerAndKeepsTheOrder) {
  make({"delay=20ms,nth=1"});
  const auto late = host->in(kIn, 8);
  const auto behind = host->in(kIn, 8);
  device->complete_next("a");
  device->complete_next("b");
  timers.advance(19ms);
  EXPECT_TRUE(host->completions().empty());
  timers.advance(1ms);
  EXPECT_EQ(host->order(), (std::vector<std::uint64_t>{late, behind}));
}

TEST_F(FaultStageTest, CancellingADelayedUrbGivesItsRealOutcome) {
  make({"delay=1s"});
  const auto id = host->in(kIn, 8);
  device->complete_next("real");
  host->cancel(id);
  EXPECT_EQ(host->outcome(id).status, Status::Ok);
  EXPECT_EQ(data_of(id), "real");
  timers.advance(2s);
  EXPECT_EQ(host->times_completed(id), 1U);
}

TEST_F(FaultStageTest, JitterStaysBelowItsBound) {
  make({"jitter=10ms"});
  for (int i = 0; i < 20; ++i) {
    const auto id = host->in(kIn, 8);
    device->complete_next("a");
    timers.advance(10ms);
    EXPECT_EQ(host->times_completed(id), 1U);
  }
}

TEST_F(FaultStageTest, SlowsDownToARate) {
  make({"slow=1k"});
  const auto first = host->out(kOut, std::vector<std::byte>(500));
  const auto second = host->out(kOut, std::vector<std::byte>(500));
  device->complete_next();
  device->complete_next();
  timers.advance(499ms);
  EXPECT_EQ(host->times_completed(first), 0U);
  timers.advance(1ms);
  EXPECT_EQ(host->times_completed(first), 1U);
  timers.advance(499ms);
  EXPECT_EQ(host->times_completed(second), 0U);
  timers.advance(1ms);
  EXPECT_EQ(host->times_completed(second), 1U);
}

TEST_F(FaultStageTest, TruncatesWhatComesIn) {
  make({"truncate=2"});
  const auto id = host->in(kIn, 8);
  device->complete_next("abcdef");
  EXPECT_EQ(data_of(id), "ab");
}

TEST_F(FaultStageTest, CorruptsOneBitOfWhatComesIn) {
  make({"corrupt,dir=in"});
  const auto id = host->in(kIn, 8);
  device->complete_next("aaaaaaaa");
  int bits = 0;
  for (const char letter : data_of(id))
    bits += std::popcount(static_cast<unsigned>(static_cast<unsigned char>(letter ^ 'a')));
  EXPECT_EQ(bits, 1);
}

TEST_F(FaultStageTest, CorruptsWhatGoesOutBeforeTheDeviceSeesIt) {
  make({"corrupt,dir=out"});
  host->out(kOut, std::vector<std::byte>(4));
  const auto seen = device->held.front()->data();
  EXPECT_TRUE(std::ranges::any_of(seen, [](std::byte byte) { return byte != std::byte{0}; }));
}

TEST_F(FaultStageTest, SameSeedSpoilsTheSameBits) {
  const auto run = [this](std::uint64_t seed) {
    make({"corrupt=3,p=0.5"}, seed);
    std::string all;
    for (int i = 0; i < 50; ++i) {
      const auto id = host->in(kIn, 8);
      device->complete_next("aaaaaaaa");
      all += data_of(id);
    }
    return all;
  };
  const auto first = run(42);
  EXPECT_EQ(first, run(42));
  EXPECT_NE(first, run(43));
}

TEST_F(FaultStageTest, WhatCameInComesAgain) {
  make({"duplicate,nth=1,dir=in"});
  host->in(kIn, 8);
  device->complete_next("one");
  const auto again = host->in(kIn, 8);
  EXPECT_EQ(data_of(again), "one");
  const auto third = host->in(kIn, 8);
  device->complete_next("two");
  EXPECT_EQ(data_of(third), "two");
}

TEST_F(FaultStageTest, WhatGoesOutGoesTwice) {
  make({"duplicate,dir=out"});
  const auto id = host->out(kOut, bytes_of_text("xy"));
  ASSERT_EQ(device->held.size(), 2U);
  EXPECT_TRUE(std::ranges::equal(device->held[0]->data(), device->held[1]->data()));
  device->complete_next();
  device->complete_next();
  EXPECT_EQ(host->times_completed(id), 1U);
}

TEST_F(FaultStageTest, ReordersTwoOfOneEndpoint) {
  make({"reorder,nth=1"});
  const auto first = host->in(kIn, 8);
  const auto second = host->in(kIn, 8);
  device->complete_next("a");
  EXPECT_TRUE(host->completions().empty());
  device->complete_next("b");
  EXPECT_EQ(host->order(), (std::vector<std::uint64_t>{second, first}));
}

TEST_F(FaultStageTest, NothingIsReorderedThatHasNothingBehindIt) {
  make({"reorder"});
  const auto id = host->in(kIn, 8);
  device->complete_next("a");
  EXPECT_EQ(host->times_completed(id), 1U);
  EXPECT_TRUE(notes.empty());
}

TEST_F(FaultStageTest, DisconnectCompletesEverythingThenTells) {
  make({"disconnect,nth=2"});
  bool told = false;
  stage->on_gone([&] { told = host->pending() == 0; });
  const auto with_device = host->in(EndpointAddress(0x81), 8);
  const auto struck = host->in(kIn, 8);
  timers.advance(10ms);
  EXPECT_EQ(host->outcome(with_device).status, Status::DeviceGone);
  EXPECT_EQ(host->outcome(struck).status, Status::DeviceGone);
  EXPECT_TRUE(told);
  EXPECT_EQ(host->outcome(host->in(kIn, 8)).status, Status::DeviceGone);
  timers.advance(1h);
  EXPECT_EQ(returned, nullptr);
}

TEST_F(FaultStageTest, ReconnectGivesTheDeviceBackAfterAReset) {
  make({"disconnect=2s"});
  host->in(kIn, 8);
  timers.advance(1999ms);
  EXPECT_EQ(returned, nullptr);
  timers.advance(10ms);
  EXPECT_EQ(returned.get(), device);
  ASSERT_EQ(device->held.size(), 1U);
  EXPECT_TRUE(device->held[0]->setup.is_port_reset());
  EXPECT_EQ(stage->model().descriptor().idVendor, 0x1209);
}

TEST_F(FaultStageTest, ResetEndsEveryWaitThatARuleMade) {
  make({"drop,ep=0x82", "delay=3600s,ep=0x02"});
  const auto dropped = host->in(kIn, 8);
  const auto delayed = host->out(kOut, std::vector<std::byte>(2));
  device->complete_next();
  host->control(SetupPacket::port_reset());
  EXPECT_EQ(host->outcome(dropped).status, Status::Cancelled);
  EXPECT_EQ(host->outcome(delayed).status, Status::Ok);
}

TEST_F(FaultStageTest, DestroyingItCompletesWhatItKeeps) {
  make({"drop,nth=1", "delay=3600s,nth=1"});
  const auto dropped = host->in(kIn, 8);
  const auto pending = host->in(kIn, 8);
  stage.reset();
  EXPECT_EQ(host->times_completed(dropped), 1U);
  EXPECT_EQ(host->times_completed(pending), 1U);
}

TEST_F(FaultStageTest, HostThatSubmitsAgainAtOnceDoesNotOverflowTheStack) {
  make({"stall"});
  int count = 0;
  host->then = [&](std::uint64_t) {
    if (++count < 100'000) host->in(kIn, 8);
  };
  host->in(kIn, 8);
  while (timers.pending() > 0) timers.advance(1ms);
  EXPECT_EQ(count, 100'000);
}

}  // namespace
}  // namespace periprox::stage
