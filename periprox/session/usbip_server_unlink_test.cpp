// UNLINK through a server session: who wins, and who is answered how.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "periprox/session/server_testing.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::IsEmpty;
using ::testing::SizeIs;
using usb::Status;

constexpr std::int32_t kConnReset = -104;
constexpr TimePoint kStart{};

TEST(UsbipServerUnlink, OfAPendingUrbIsTheOnlyAnswer) {
  ServerPeer peer;
  peer.in(1, 64);
  peer.unlink(2, 1);
  const auto reply = peer.reply();
  EXPECT_FALSE(reply.is_submit());
  EXPECT_EQ(reply.seqnum, 2U);
  EXPECT_EQ(reply.status, kConnReset);
  EXPECT_EQ(peer.server.pending(), 0U);
}

TEST(UsbipServerUnlink, WaitsForACancelThatTakesTime) {
  ServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.in(1, 64);
  peer.unlink(2, 1);
  EXPECT_THAT(peer.replies(), IsEmpty());
  peer.device.complete_cancelled();
  EXPECT_EQ(peer.reply().status, kConnReset);
}

TEST(UsbipServerUnlink, OfACompletedUrbComesAfterItsReply) {
  ServerPeer peer;
  peer.in(1, 64);
  peer.device.complete(0, pattern(64));
  peer.unlink(2, 1);
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].seqnum, 1U);
  EXPECT_EQ(replies[0].data, pattern(64));
  EXPECT_EQ(replies[1].seqnum, 2U);
  EXPECT_EQ(replies[1].status, 0);
}

TEST(UsbipServerUnlink, ThatLosesTheRaceLetsTheRealResultThroughFirst) {
  ServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::RealResult;
  peer.device.real_result = pattern(64);
  peer.in(1, 64);
  peer.unlink(2, 1);
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_TRUE(replies[0].is_submit());
  EXPECT_EQ(replies[0].data, pattern(64));
  EXPECT_FALSE(replies[1].is_submit());
  EXPECT_EQ(replies[1].status, 0);
}

TEST(UsbipServerUnlink, ThatLosesTheRaceLaterLetsTheRealResultThroughFirst) {
  ServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.in(1, 64);
  peer.unlink(2, 1);
  peer.device.complete(0, pattern(64));
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_TRUE(replies[0].is_submit());
  EXPECT_EQ(replies[1].status, 0);
}

TEST(UsbipServerUnlink, OfAnUrbThatFailedMeanwhileLetsItsStatusThroughFirst) {
  ServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.in(1, 64);
  peer.unlink(2, 1);
  peer.device.complete(0, {}, Status::Stalled);
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].status, -32);
  EXPECT_EQ(replies[1].status, 0);
}

TEST(UsbipServerUnlink, OfAnUnknownUrbIsAnsweredWithZero) {
  ServerPeer peer;
  peer.unlink(2, 1);
  const auto reply = peer.reply();
  EXPECT_EQ(reply.seqnum, 2U);
  EXPECT_EQ(reply.status, 0);
}

TEST(UsbipServerUnlink, OfAnUnlinkIsAnsweredWithZero) {
  ServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.in(1, 64);
  peer.unlink(2, 1);
  peer.unlink(3, 2);
  peer.in(4, 64);  // Until then 2 might be a SUBMIT that was overtaken.
  const auto reply = peer.reply();
  EXPECT_EQ(reply.seqnum, 3U);
  EXPECT_EQ(reply.status, 0);
}

TEST(UsbipServerUnlink, TwiceIsAnsweredTwiceAndCancelledOnce) {
  ServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.in(1, 64);
  peer.unlink(2, 1);
  peer.unlink(3, 1);
  EXPECT_EQ(peer.device.cancels, 1U);
  peer.device.complete_cancelled();
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].seqnum, 2U);
  EXPECT_EQ(replies[0].status, kConnReset);
  EXPECT_EQ(replies[1].seqnum, 3U);
  EXPECT_EQ(replies[1].status, kConnReset);
}

TEST(UsbipServerUnlink, AfterAnUnlinkWonIsAnsweredWithZero) {
  ServerPeer peer;
  peer.in(1, 64);
  peer.unlink(2, 1);
  peer.unlink(3, 1);
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].status, kConnReset);
  EXPECT_EQ(replies[1].status, 0);
}

TEST(UsbipServerUnlink, LeavesTheOthersOfTheEndpointAlone) {
  ServerPeer peer;
  for (std::uint32_t i = 1; i <= 4; ++i) peer.in(i, 64);
  peer.unlink(9, 2);
  EXPECT_EQ(peer.reply().seqnum, 9U);
  EXPECT_EQ(peer.device.cancels, 1U);
  ASSERT_THAT(peer.device.held, SizeIs(3));
  for (int i = 0; i < 3; ++i) peer.device.complete(0, pattern(8));
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(3));
  EXPECT_EQ(replies[0].seqnum, 1U);
  EXPECT_EQ(replies[1].seqnum, 3U);
  EXPECT_EQ(replies[2].seqnum, 4U);
}

TEST(UsbipServerUnlink, OfManyAtOnceAnswersEach) {
  ServerPeer peer;
  for (std::uint32_t i = 1; i <= 200; ++i) peer.in(i, 64);
  ByteVector unlinks;
  for (std::uint32_t i = 1; i <= 200; ++i) append(unlinks, cmd_unlink(1000 + i, i));
  peer.send(unlinks);
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(200));
  for (const auto& reply : replies) EXPECT_EQ(reply.status, kConnReset);
}

TEST(UsbipServerUnlink, IsFollowedByTheSameEndpointsNextUrb) {
  ServerPeer peer;
  peer.in(1, 64);
  peer.unlink(2, 1);
  peer.in(3, 64);
  ASSERT_THAT(peer.device.held, SizeIs(1));
  peer.device.complete(0, pattern(64));
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[1].seqnum, 3U);
  EXPECT_EQ(replies[1].data, pattern(64));
}

TEST(UsbipServerUnlink, OfAnUrbThatWasNotUnlinkedButCancelledByTheDeviceIsAReply) {
  ServerPeer peer;
  peer.in(1, 64);
  peer.device.complete_cancelled();
  const auto reply = peer.reply();
  EXPECT_TRUE(reply.is_submit());
  EXPECT_EQ(reply.status, kConnReset);
}

TEST(UsbipServerUnlink, WithAnotherDevicesIdEndsTheSession) {
  ServerPeer peer;
  peer.send(cmd_unlink(2, 1, kDevid + 1));
  EXPECT_TRUE(peer.server.finished());
}

/// One URB, one UNLINK, and a completion before, within, after or instead of the cancel.
TEST(UsbipServerUnlink, KeepsItsPromiseIn100000Races) {
  ServerPeer peer;
  std::mt19937 random(20);
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const std::uint32_t target = 2 * i;
    const std::uint32_t unlink = 2 * i + 1;
    const auto way = random() % 4;
    peer.device.on_cancel = static_cast<FakeDevice::OnCancel>(random() % 3);
    peer.in(target, 8);
    if (way == 0) peer.device.complete();
    peer.unlink(unlink, target);
    if (way == 1 && !peer.device.held.empty()) peer.device.complete();
    if (way == 2 && !peer.device.held.empty()) peer.device.complete_cancelled();
    while (!peer.device.held.empty()) peer.device.complete_cancelled();
    const auto replies = peer.replies();
    ASSERT_FALSE(replies.empty());
    ASSERT_EQ(replies.back().seqnum, unlink);
    const bool unlink_won = replies.back().status == kConnReset;
    ASSERT_EQ(replies.size(), unlink_won ? 1U : 2U);
    // Then the first is the target's own, and the UNLINK found it done.
    ASSERT_EQ(replies.front().seqnum, unlink_won ? unlink : target);
    ASSERT_EQ(replies.back().status, unlink_won ? kConnReset : 0);
  }
  EXPECT_EQ(peer.server.pending(), 0U);
  EXPECT_EQ(peer.device.submitted, 100'000U);
}

TEST(UsbipServerUnlink, ThatOvertakesItsSubmitWaitsForIt) {
  ServerPeer peer;
  peer.in(1, 64);
  peer.unlink(12, 11);
  EXPECT_THAT(peer.replies(), IsEmpty());
  peer.in(11, 64);
  const auto reply = peer.reply();
  EXPECT_FALSE(reply.is_submit());
  EXPECT_EQ(reply.seqnum, 12U);
  EXPECT_EQ(reply.status, kConnReset);
  EXPECT_EQ(peer.server.pending(), 1U);
}

TEST(UsbipServerUnlink, ThatOvertakesItsSubmitIsAnsweredWhenANewerOneComes) {
  ServerPeer peer;
  peer.in(1, 64);
  peer.unlink(12, 11);
  peer.in(13, 64);
  const auto reply = peer.reply();
  EXPECT_EQ(reply.seqnum, 12U);
  EXPECT_EQ(reply.status, 0);
  EXPECT_EQ(peer.server.wake_at(), std::nullopt);
}

TEST(UsbipServerUnlink, ThatOvertakesItsSubmitIsAnsweredInTheEnd) {
  ServerPeer peer;
  peer.in(1, 64);
  peer.unlink(12, 11);
  ASSERT_EQ(peer.server.wake_at(), TimePoint::min());
  peer.server.woken(kStart);
  EXPECT_THAT(peer.replies(), IsEmpty());
  peer.server.woken(kStart + std::chrono::milliseconds(500));
  const auto reply = peer.reply();
  EXPECT_EQ(reply.seqnum, 12U);
  EXPECT_EQ(reply.status, 0);
}

TEST(UsbipServerUnlink, OfATargetNewerThanItselfIsAnsweredAtOnce) {
  ServerPeer peer;
  peer.in(1, 64);
  peer.unlink(2, 999);
  EXPECT_EQ(peer.reply().status, 0);
}

}  // namespace
}  // namespace periprox::session
