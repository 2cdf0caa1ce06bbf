#include "periprox/stage/fault_rule.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "periprox/stage/fault_dice.hpp"

namespace periprox::stage {
namespace {

using namespace std::chrono_literals;
using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Status;
using usb::TransferType;
using Action = FaultRule::Action;

FaultRule parse(std::string_view text) {
  auto rule = parse_fault_rule(text);
  EXPECT_TRUE(rule) << rule.error().text();
  return rule.value_or(FaultRule{});
}

usb::UrbData urb_on(std::uint8_t endpoint, TransferType type) {
  usb::UrbData urb;
  urb.endpoint = EndpointAddress(endpoint);
  urb.type = type;
  return urb;
}

usb::UrbData request(const SetupPacket& setup) {
  usb::UrbData urb;
  urb.setup = setup;
  urb.endpoint = EndpointAddress(setup.is_in() ? 0x80 : 0);
  return urb;
}

TEST(FaultRule, ReadsEachAction) {
  EXPECT_EQ(parse("stall").action, Action::Stall);
  EXPECT_EQ(parse("error").status, Status::ProtocolError);
  EXPECT_EQ(parse("error=EOVERFLOW").status, Status::Babble);
  EXPECT_EQ(parse("drop").action, Action::Drop);
  EXPECT_EQ(parse("delay=1.5s").duration, 1500ms);
  EXPECT_EQ(parse("jitter=20us").duration, 20us);
  EXPECT_EQ(parse("slow=64k").amount, 64'000U);
  EXPECT_EQ(parse("truncate=0").amount, 0U);
  EXPECT_EQ(parse("corrupt").amount, 1U);
  EXPECT_EQ(parse("corrupt=3").amount, 3U);
  EXPECT_EQ(parse("duplicate").action, Action::Duplicate);
  EXPECT_EQ(parse("reorder").action, Action::Reorder);
  EXPECT_EQ(parse("disconnect=2s").duration, 2s);
}

TEST(FaultRule, ReadsEachSelectorInAnyPlace) {
  const auto rule = parse("ep=0x81,p=0.25,stall,type=interrupt,dir=in,nth=3+,every=2,times=5");
  EXPECT_EQ(rule.endpoint, EndpointAddress(0x81));
  EXPECT_EQ(rule.probability, 0.25);
  EXPECT_EQ(rule.type, TransferType::Interrupt);
  EXPECT_EQ(rule.direction, usb::Direction::In);
  EXPECT_EQ(rule.first, 3U);
  EXPECT_EQ(rule.every, 2U);
  EXPECT_EQ(rule.times, 5U);
}

TEST(FaultRule, RefusesWhatItCannotMean) {
  for (const auto* text : {"",
                           "stall,drop",
                           "ep=0x81",
                           "explode",
                           "stall=1",
                           "delay",
                           "delay=5",
                           "delay=25h",
                           "delay=-1s",
                           "slow=0",
                           "truncate",
                           "corrupt=x",
                           "stall,ep=0x11",
                           "stall,type=bulky",
                           "stall,dir=up",
                           "stall,setup=8",
                           "stall,setup=80zz",
                           "stall,nth=0",
                           "stall,p=1.5",
                           "stall,p=",
                           "stall,colour=red",
                           "error=EWHAT",
                           "stall,setup=800601000000120099",
                           "stall,,p=1"}) {
    const auto rule = parse_fault_rule(text);
    ASSERT_FALSE(rule) << text;
    EXPECT_EQ(rule.error().kind, Error::Kind::Usage) << text;
    EXPECT_FALSE(rule.error().hint.empty()) << text;
  }
}

TEST(FaultRule, FitsByEndpointTypeAndDirection) {
  const auto urb = urb_on(0x81, TransferType::Bulk);
  EXPECT_TRUE(parse("stall").fits(urb));
  EXPECT_TRUE(parse("stall,ep=0x81,type=bulk,dir=in").fits(urb));
  EXPECT_FALSE(parse("stall,ep=0x01").fits(urb));
  EXPECT_FALSE(parse("stall,type=interrupt").fits(urb));
  EXPECT_FALSE(parse("stall,dir=out").fits(urb));
}

TEST(FaultRule, EndpointZeroIsBothDirections) {
  EXPECT_TRUE(parse("stall,ep=0").fits(request(SetupPacket::get_descriptor(1, 0, 18))));
  EXPECT_TRUE(parse("stall,ep=0").fits(request(SetupPacket::set_configuration(1))));
}

TEST(FaultRule, FitsBySetupBytesWithGaps) {
  const auto rule = parse("stall,setup=8006??03");
  EXPECT_TRUE(rule.fits(request(SetupPacket::get_descriptor(3, 7, 255))));
  EXPECT_FALSE(rule.fits(request(SetupPacket::get_descriptor(1, 7, 255))));
  EXPECT_FALSE(rule.fits(urb_on(0x81, TransferType::Bulk)));
}

std::string strikes(std::string_view text, int count, std::uint64_t seed = 1) {
  const auto rule = parse(text);
  FaultDice dice(seed, 0, 0);
  std::string marks;
  for (int i = 0; i < count; ++i) marks += dice.strikes(rule, EndpointAddress(0x81)) ? 'x' : '.';
  return marks;
}

TEST(FaultDice, CountFromOne) {
  EXPECT_EQ(strikes("stall,nth=3", 6), "..x...");
  EXPECT_EQ(strikes("stall,nth=3+", 6), "..xxxx");
  EXPECT_EQ(strikes("stall,every=3", 7), "x..x..x");
  EXPECT_EQ(strikes("stall,nth=2+,every=2,times=2", 8), ".x.x....");
}

TEST(FaultDice, ProbabilityIsKeptAndRepeatable) {
  const auto marks = strikes("stall,p=0.1", 10'000, 7);
  EXPECT_NEAR(static_cast<double>(std::count(marks.begin(), marks.end(), 'x')), 1000, 100);
  EXPECT_EQ(marks, strikes("stall,p=0.1", 10'000, 7));
  EXPECT_NE(marks, strikes("stall,p=0.1", 10'000, 8));
}

TEST(FaultDice, EndpointsHaveDiceOfTheirOwn) {
  const auto rule = parse("stall,p=0.5");
  FaultDice alone(3, 0, 0);
  FaultDice mixed(3, 0, 0);
  for (int i = 0; i < 100; ++i) {
    (void)mixed.strikes(rule, EndpointAddress(0x02));
    EXPECT_EQ(alone.strikes(rule, EndpointAddress(0x81)),
              mixed.strikes(rule, EndpointAddress(0x81)));
  }
}

}  // namespace
}  // namespace periprox::stage
