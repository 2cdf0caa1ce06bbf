// A device that is taken from a client while it is silent: everything is answered all the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/session/server_testing.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr TimePoint kStart{std::chrono::hours(1)};

/// A session whose device neither completes nor cancels anything.
struct UsbipServerUnplug : ::testing::Test {
  UsbipServerUnplug() { peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater; }
  void wait(Duration duration) { peer.server.woken(now += duration); }

  ServerPeer peer;
  TimePoint now = kStart;
};

TEST_F(UsbipServerUnplug, AnswersAllThatIsPendingAsGoneOldestFirst) {
  peer.out(0xffffffff, pattern(100));
  peer.in(0, 64);
  peer.in(1, 64, kInterruptIn);
  peer.server.unplug();
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(3));
  EXPECT_EQ(replies[0].seqnum, 0xffffffffU);
  EXPECT_EQ(replies[1].seqnum, 0U);
  EXPECT_EQ(replies[2].seqnum, 1U);
  for (const auto& reply : replies) {
    EXPECT_EQ(reply.status, -19);
    EXPECT_EQ(reply.actual_length, 0);
  }
  EXPECT_EQ(peer.server.pending(), 0U);
  EXPECT_GT(peer.waker.wakes, 0U);
}

TEST_F(UsbipServerUnplug, AnswersIsochronousPacketsWithNothingInThem) {
  peer.submit({.seqnum = 1, .endpoint = kIsoIn, .packets = 3}, {}, iso_layout(3, 0));
  peer.server.unplug();
  const auto reply = peer.reply();
  EXPECT_EQ(reply.status, -19);
  EXPECT_EQ(reply.actual_length, 0);
  ASSERT_THAT(reply.descriptors, SizeIs(3));
  for (const auto& packet : reply.descriptors) EXPECT_EQ(packet.actual_length, 0U);
}

TEST_F(UsbipServerUnplug, AnswersUnlinksThatWait) {
  peer.in(1, 64);
  peer.unlink(2, 1);
  peer.server.unplug();
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].seqnum, 1U);
  EXPECT_EQ(replies[0].status, -19);
  EXPECT_EQ(replies[1].seqnum, 2U);
  EXPECT_EQ(replies[1].status, 0);
}

TEST_F(UsbipServerUnplug, TellsTheDeviceThatNobodyWaits) {
  peer.in(1, 64);
  peer.in(2, 64);
  peer.server.unplug();
  EXPECT_EQ(peer.device.cancels, 2U);
}

TEST_F(UsbipServerUnplug, TakesNoResultThatComesLate) {
  peer.in(1, 64);
  peer.server.unplug();
  EXPECT_THAT(peer.replies(), SizeIs(1));
  peer.device.complete(0, pattern(64));
  EXPECT_THAT(peer.replies(), IsEmpty());
}

TEST_F(UsbipServerUnplug, RefusesWhatComesLater) {
  peer.server.unplug();
  peer.in(1, 64);
  peer.out(2, pattern(1000));
  peer.submit({.seqnum = 3, .endpoint = kIsoOut, .length = 30, .packets = 3}, pattern(30),
              iso_layout(3, 0));
  peer.unlink(4, 1);
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(4));
  EXPECT_EQ(replies[0].status, -19);
  EXPECT_EQ(replies[1].status, -19);
  EXPECT_EQ(replies[2].status, -19);
  EXPECT_EQ(replies[3].status, 0);
  EXPECT_EQ(peer.device.submitted, 0U);
}

TEST_F(UsbipServerUnplug, RefusesAnOutThatWasArriving) {
  const auto command = cmd_out(1, pattern(100'000));
  peer.expect(1, kBulkOut);
  peer.send(Bytes(command).first(1000));
  peer.server.unplug();
  peer.send(Bytes(command).subspan(1000));
  EXPECT_EQ(peer.reply().status, -19);
  EXPECT_EQ(peer.device.submitted, 0U);
}

TEST_F(UsbipServerUnplug, EndsWellAfterAMoment) {
  peer.in(1, 64);
  peer.server.unplug();
  EXPECT_EQ(peer.server.wake_at(), TimePoint::min());
  wait({});
  EXPECT_EQ(peer.server.wake_at(), now + ServerLimits{}.gone_linger);
  EXPECT_FALSE(peer.server.finished());
  wait(ServerLimits{}.gone_linger);
  EXPECT_TRUE(peer.server.finished());
  EXPECT_FALSE(peer.server.failure());
  EXPECT_FALSE(peer.server.device_is_gone());
}

TEST_F(UsbipServerUnplug, EndsNoLaterWhenTheDeviceGoesMeanwhileOrItIsAskedAgain) {
  peer.server.unplug();
  wait({});
  peer.device.go_away();
  peer.server.unplug();
  wait(ServerLimits{}.gone_linger);
  EXPECT_TRUE(peer.server.finished());
}

TEST_F(UsbipServerUnplug, EndsWhenTheClientDoes) {
  peer.in(1, 64);
  peer.server.unplug();
  peer.server.receive_ended(std::nullopt);
  EXPECT_TRUE(peer.server.finished());
}

TEST_F(UsbipServerUnplug, FreesMemoryForASubmitThatWaitsAndRefusesIt) {
  ServerPeer full({.memory = 256 * 1024, .transfer = 128 * 1024});
  full.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  full.in(1, 128 * 1024 - 512);
  full.in(2, 128 * 1024 - 512);
  full.in(3, 64 * 1024);
  full.server.unplug();
  const auto replies = full.replies();
  ASSERT_THAT(replies, SizeIs(3));
  EXPECT_EQ(replies[2].seqnum, 3U);
  EXPECT_EQ(replies[2].status, -19);
  EXPECT_EQ(full.device.submitted, 2U);
}

TEST_F(UsbipServerUnplug, LeavesNoWayBackToASessionThatIsGone) {
  FakeDevice device;
  device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  FakeExports exports;
  {
    UsbipServer server(exports.lease(device));
    feed(server, cmd_in(1, 64));
    server.unplug();
  }
  ASSERT_THAT(device.held, SizeIs(1));
  device.complete(0, pattern(64));
}

TEST(UsbipServerUnplugEarly, EndsASessionThatHasNoDevice) {
  FakeExports exports;
  UsbipServer server(exports, "peer", kStart);
  server.unplug();
  EXPECT_TRUE(server.finished());
}

}  // namespace
}  // namespace periprox::session
