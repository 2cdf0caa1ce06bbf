#include "periprox/physical/claim.hpp"

#include <gmock/gmock.h>

#include <cerrno>

#include "periprox/physical/simulated_usbfs_testing.hpp"

namespace periprox::physical {
namespace {

using ::testing::ElementsAre;

const ClaimTarget kTarget{"1-1", 1, {0, 1, 2}, {0, 2}};

TEST(Claim, TakesEveryInterface) {
  const auto kernel = std::make_shared<SimulatedUsbfs>();
  const auto claim = Claim::take(kernel, kTarget, nullptr, nullptr);
  ASSERT_TRUE(claim);
  EXPECT_THAT(kernel->calls(), ElementsAre("claim 0", "claim 1", "claim 2"));
}

TEST(Claim, GivesInterfacesBackToTheDriversThatHadThem) {
  const auto kernel = std::make_shared<SimulatedUsbfs>();
  Claim::take(kernel, kTarget, nullptr, nullptr)->reset();
  const auto calls = kernel->calls();
  EXPECT_THAT(
      std::vector(calls.begin() + 3, calls.end()),
      ElementsAre("release 0", "release 1", "release 2", "reset", "connect 0", "connect 2"));
}

TEST(Claim, ThatFailsHalfwayGivesBackWhatItTook) {
  const auto kernel = std::make_shared<SimulatedUsbfs>();
  kernel->errors["claim 1"] = EBUSY;
  const auto claim = Claim::take(kernel, kTarget, nullptr, nullptr);
  ASSERT_FALSE(claim);
  EXPECT_EQ(claim.error().kind, Error::Kind::Busy);
  EXPECT_EQ(claim.error().what, "cannot take interface 1 of 1-1");
  EXPECT_THAT(kernel->calls(),
              ElementsAre("claim 0", "claim 1", "release 0", "connect 0", "connect 2"));
}

TEST(Claim, OfADeviceThatDisappearsIsGone) {
  const auto kernel = std::make_shared<SimulatedUsbfs>();
  kernel->unplug();
  EXPECT_EQ(Claim::take(kernel, kTarget, nullptr, nullptr).error().kind, Error::Kind::Gone);
}

TEST(Claim, ForgottenTouchesNothing) {
  const auto kernel = std::make_shared<SimulatedUsbfs>();
  auto claim = *Claim::take(kernel, kTarget, nullptr, nullptr);
  claim->forget();
  claim.reset();
  EXPECT_EQ(kernel->calls().size(), 3U);
}

TEST(Claim, HoldsThePortThroughTheResetAndLetsGoBeforeDriversProbe) {
  const auto kernel = std::make_shared<SimulatedUsbfs>();
  auto hub = std::make_unique<SimulatedUsbfs>();
  const std::weak_ptr<int> hub_alive = hub->life;
  std::vector<std::string> held_during;
  kernel->while_blocked = [&](const std::string& call) {
    if (!hub_alive.expired()) held_during.push_back(call);
  };
  Claim::take(kernel, {"1-1", 1, {0}, {0}}, std::move(hub), nullptr)->reset();
  EXPECT_THAT(held_during, ElementsAre("claim 0", "release 0", "reset"));
  EXPECT_EQ(kernel->calls().back(), "connect 0");
}

}  // namespace
}  // namespace periprox::physical
