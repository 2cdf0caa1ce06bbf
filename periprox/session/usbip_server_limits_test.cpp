// What one peer can make a server session hold, and how the session ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/session/server_testing.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using usb::Status;

constexpr TimePoint kStart{std::chrono::hours(1)};
constexpr std::size_t kMemory = 256 * 1024;

constexpr ServerLimits kSmall{
    .memory = kMemory, .transfer = 128 * 1024, .starvation = std::chrono::seconds(2)};

// ---- Many URBs
// --------------------------------------------------------------------------------------------

TEST(UsbipServerLimits, Holds2000UrbsAtOnce) {
  ServerPeer peer;
  for (std::uint32_t i = 0; i < 2000; ++i) peer.in(i, 512);
  EXPECT_EQ(peer.server.pending(), 2000U);
  for (std::uint32_t i = 0; i < 2000; ++i) peer.device.complete(0, pattern(512, i));
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2000));
  for (std::uint32_t i = 0; i < 2000; ++i) {
    ASSERT_EQ(replies[i].seqnum, i);
    ASSERT_EQ(replies[i].data, pattern(512, i));
  }
}

// ---- The ceiling
// ------------------------------------------------------------------------------------------

TEST(UsbipServerLimits, StopsReadingAtTheCeiling) {
  ServerPeer peer(kSmall);
  peer.in(1, 128 * 1024 - 512);
  peer.in(2, 128 * 1024 - 512);
  peer.in(3, 8);
  EXPECT_THAT(peer.device.held, SizeIs(2));
  EXPECT_TRUE(peer.server.receive_into().empty());
}

TEST(UsbipServerLimits, ReadsOnWhenSomethingWasWritten) {
  ServerPeer peer(kSmall);
  peer.in(1, 128 * 1024 - 512);
  peer.in(2, 128 * 1024 - 512);
  peer.in(3, 8);
  peer.device.complete(0, pattern(100));
  EXPECT_THAT(peer.device.held, SizeIs(2));
  EXPECT_EQ(peer.device.held[1]->length, 8U);
  EXPECT_FALSE(peer.server.receive_into().empty());
}

TEST(UsbipServerLimits, TakesOneUrbThatIsLargerThanTheRestOfTheCeiling) {
  ServerPeer peer({.memory = 1000, .transfer = 1000});
  peer.in(1, 1000);
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

TEST(UsbipServerLimits, CountsRepliesThatThePeerDoesNotRead) {
  ServerPeer peer(kSmall);
  peer.device.on_submit = [&](usb::Urb urb) {
    complete_in(peer.device, std::move(urb), pattern(60'000));
  };
  std::uint32_t taken = 0;
  while (taken < 100 && peer.in(taken + 1, 60'000) == 48) ++taken;
  EXPECT_LT(taken, 8U);
  EXPECT_LE(peer.device.payloads.bytes_in_use(), 2 * kMemory);
  EXPECT_THAT(peer.replies(), SizeIs(taken));
  EXPECT_FALSE(peer.server.receive_into().empty());
}

TEST(UsbipServerLimits, CountsShortRepliesByTheMemoryTheyHold) {
  ServerPeer peer(kSmall);
  // Each answer is short, but its payload is as large as was asked for.
  peer.device.on_submit = [&](usb::Urb urb) {
    complete_in(peer.device, std::move(urb), pattern(3000));
  };
  for (std::uint32_t i = 1; i < 60; ++i) peer.in(i, 128 * 1024);
  EXPECT_LE(peer.device.payloads.bytes_in_use(), 2 * kMemory);
}

TEST(UsbipServerLimits, CountsIsochronousPackets) {
  ServerPeer peer(kSmall);
  std::uint32_t taken = 0;
  const auto layout = iso_layout(1024, 0);
  const Submit cmd{.endpoint = kIsoIn, .packets = 1024};
  while (taken < 100) {
    auto next = cmd;
    next.seqnum = ++taken;
    if (peer.submit(next, {}, layout) < 48 + 1024 * 16) break;
  }
  EXPECT_LE(peer.device.held.size() * 1024 * sizeof(usb::IsoPacket), kMemory);
}

TEST(UsbipServerLimits, StopsReadingAFloodOfUnlinksThatNobodyReadsTheAnswersOf) {
  ServerPeer peer(kSmall);
  std::size_t taken = 0;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const auto sent = peer.unlink(i, 0xffffff);
    taken += sent;
    if (sent < 48) break;
  }
  EXPECT_LE(taken, kMemory + 64 * 1024);
  EXPECT_TRUE(peer.server.receive_into().empty());
  EXPECT_THAT(peer.replies(), ::testing::Not(IsEmpty()));
  EXPECT_FALSE(peer.server.receive_into().empty());
}

TEST(UsbipServerLimits, StopsReadingAFloodOfUnlinksForOneUrbThatDoesNotEnd) {
  ServerPeer peer(kSmall);
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.in(1, 8);
  std::size_t taken = 0;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const auto sent = peer.unlink(10 + i, 1);
    taken += sent;
    if (sent < 48) break;
  }
  EXPECT_LE(taken, kMemory + 64 * 1024);
  peer.device.complete_cancelled();
  EXPECT_GE(peer.replies().size(), kMemory / 48);
  EXPECT_FALSE(peer.server.receive_into().empty());
}

TEST(UsbipServerLimits, HoldsNoMemoryForARefusedOut) {
  ServerPeer peer(kSmall);
  peer.send(Bytes(cmd_submit({.seqnum = 1, .endpoint = kBulkOut, .length = INT32_MAX})));
  EXPECT_EQ(peer.device.payloads.bytes_in_use(), 0U);
  EXPECT_FALSE(peer.server.receive_into().empty());
}

// ---- Starvation
// -------------------------------------------------------------------------------------------

/// A session whose third submit waits at the ceiling.
struct Starving : ::testing::Test {
  Starving() {
    peer.in(1, 128 * 1024 - 512);
    peer.in(2, 128 * 1024 - 512);
    peer.send(cmd_in(3, 64 * 1024) + cmd_unlink(4, 1));
    peer.expect(3, kBulkIn);
  }
  ServerPeer peer{kSmall};
};

TEST_F(Starving, AsksToBeWokenAtOnceForTheTimeAndThenInTime) {
  EXPECT_EQ(peer.server.wake_at(), TimePoint::min());
  peer.server.woken(kStart);
  EXPECT_EQ(peer.server.wake_at(), kStart + std::chrono::seconds(2));
}

TEST_F(Starving, EndsWithNoMemoryAndLetsTheUnlinkThrough) {
  peer.server.woken(kStart);
  peer.server.woken(kStart + std::chrono::seconds(2));
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].seqnum, 3U);
  EXPECT_EQ(replies[0].status, -12);
  EXPECT_EQ(replies[1].seqnum, 4U);
  EXPECT_EQ(replies[1].status, -104);
  EXPECT_EQ(peer.server.wake_at(), std::nullopt);
}

TEST_F(Starving, DoesNotEndEarly) {
  peer.server.woken(kStart);
  peer.server.woken(kStart + std::chrono::milliseconds(1999));
  EXPECT_THAT(peer.replies(), IsEmpty());
}

TEST_F(Starving, EndsWhenMemoryComesBack) {
  peer.server.woken(kStart);
  peer.device.complete();
  EXPECT_EQ(peer.server.wake_at(), std::nullopt);
  EXPECT_EQ(peer.device.held.back()->length, 64U * 1024);
}

TEST(UsbipServerLimits, DoesNotStarveWhileAPeerReadsSlowly) {
  ServerPeer peer(kSmall);
  peer.in(1, 128 * 1024 - 512);
  peer.in(2, 128 * 1024 - 512);
  peer.in(3, 128 * 1024);
  peer.device.complete(0, pattern(128 * 1024 - 512));
  peer.server.woken(kStart);
  (void)collect(peer.server, 100);
  // Time starts anew with every byte that was written.
  peer.server.woken(kStart + std::chrono::seconds(2));
  EXPECT_EQ(peer.server.wake_at(), kStart + std::chrono::seconds(4));
  EXPECT_EQ(peer.device.submitted, 2U);
}

// ---- Ends
// ---------------------------------------------------------------------------------------------------

TEST(UsbipServerEnd, AnswersAllWhenTheDeviceGoesThenFinishes) {
  ServerPeer peer;
  for (std::uint32_t i = 1; i <= 5; ++i) peer.in(i, 64);
  peer.device.go_away();
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(5));
  for (const auto& reply : replies) EXPECT_EQ(reply.status, -19);
  peer.server.woken(kStart);
  EXPECT_FALSE(peer.server.finished());
  peer.server.woken(kStart + ServerLimits{}.gone_linger);
  EXPECT_TRUE(peer.server.finished());
  EXPECT_FALSE(peer.server.failure());
  EXPECT_GT(peer.waker.wakes, 0U);
}

TEST(UsbipServerEnd, AnswersUnlinksWhenTheDeviceGoes) {
  ServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.in(1, 64);
  peer.unlink(2, 1);
  peer.device.go_away();
  const auto replies = peer.replies();
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].status, -19);
  EXPECT_EQ(replies[1].status, 0);
}

TEST(UsbipServerEnd, FinishesWhenTheDeviceGoesInTheMiddleOfAnOut) {
  ServerPeer peer;
  peer.send(Bytes(cmd_out(1, pattern(1000))).first(500));
  peer.device.go_away();
  peer.server.woken(kStart);
  peer.server.woken(kStart + ServerLimits{}.gone_linger);
  EXPECT_TRUE(peer.server.finished());
}

TEST(UsbipServerEnd, ClosesAnIdleSession) {
  ServerPeer peer;
  peer.server.close();
  EXPECT_TRUE(peer.server.finished());
  EXPECT_TRUE(peer.server.receive_into().empty());
  EXPECT_FALSE(peer.server.failure());
}

TEST(UsbipServerEnd, CancelsWhatIsPendingWhenClosed) {
  ServerPeer peer;
  for (std::uint32_t i = 1; i <= 5; ++i) peer.in(i, 64);
  peer.server.close();
  EXPECT_EQ(peer.device.cancels, 5U);
  EXPECT_TRUE(peer.server.finished());
}

TEST(UsbipServerEnd, WaitsForCancelsThatTakeTimeWhenClosed) {
  ServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.in(1, 64);
  peer.in(2, 64);
  peer.server.close();
  EXPECT_FALSE(peer.server.finished());
  peer.device.complete_cancelled();
  EXPECT_FALSE(peer.server.finished());
  peer.device.complete(0, pattern(64));
  EXPECT_TRUE(peer.server.finished());
  EXPECT_GT(peer.waker.wakes, 0U);
  EXPECT_THAT(collect(peer.server), IsEmpty());
}

TEST(UsbipServerEnd, WaitsNoLongerThanItsFarewellForADeviceThatIsSilent) {
  ServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.in(1, 64);
  peer.server.receive_ended(std::nullopt);
  peer.server.woken(kStart);
  EXPECT_FALSE(peer.server.finished());
  EXPECT_EQ(peer.server.wake_at(), kStart + ServerLimits{}.farewell);
  peer.server.woken(kStart + ServerLimits{}.farewell);
  EXPECT_TRUE(peer.server.finished());
}

TEST(UsbipServerEnd, CancelsOnceMoreNothingWhenClosedTwice) {
  ServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.in(1, 64);
  peer.server.close();
  peer.server.close();
  EXPECT_EQ(peer.device.cancels, 1U);
  peer.device.complete_cancelled();
}

TEST(UsbipServerEnd, KeepsThePlaceOfAPayloadThatTheLinkMayBeReadingInto) {
  ServerPeer peer;
  const auto cmd = cmd_out(1, pattern(100'000));
  peer.send(Bytes(cmd).first(1000));
  const auto place = peer.server.receive_into().front();
  peer.server.close();
  EXPECT_GT(peer.device.payloads.bytes_in_use(), 0U);
  std::memset(place.data(), 1, place.size());
  peer.server.received(place.size());
  EXPECT_EQ(peer.device.submitted, 0U);
}

TEST(UsbipServerEnd, ClosesWhileASubmitWaitsForMemory) {
  ServerPeer peer(kSmall);
  peer.in(1, 128 * 1024 - 512);
  peer.in(2, 128 * 1024 - 512);
  peer.in(3, 64 * 1024);
  peer.server.close();
  EXPECT_TRUE(peer.server.finished());
  EXPECT_EQ(peer.device.submitted, 2U);
  EXPECT_EQ(peer.server.wake_at(), std::nullopt);
}

TEST(UsbipServerEnd, GivesTheLeaseBackWhenDestroyed) {
  FakeExports exports;
  FakeDevice device;
  { UsbipServer server(exports.lease(device)); }
  EXPECT_EQ(exports.released, 1);
}

TEST(UsbipServerEnd, LeavesNoWayBackWhenDestroyedWithUrbsPending) {
  FakeDevice device;
  device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  FakeExports exports;
  {
    UsbipServer server(exports.lease(device));
    feed(server, cmd_in(1, 64) + cmd_in(2, 64));
  }
  EXPECT_EQ(device.cancels, 2U);
  ASSERT_THAT(device.held, SizeIs(2));
  device.complete(0, pattern(64));
  device.complete_cancelled(0);
}

/// A device whose cancel of one URB gives all back at once.
class AllOrNothing final : public usb::Device {
 public:
  [[nodiscard]] const usb::DeviceModel& model() const override { return model_; }
  void submit(usb::Urb urb) override {
    ++submitted;
    held.push_back(std::move(urb));
  }
  void cancel(usb::UrbHandle /*urb*/) override {
    auto all = std::move(held);
    held.clear();
    for (auto& urb : all) urb.complete(Status::Cancelled, 0);
  }
  [[nodiscard]] Payload allocate(std::uint32_t size) override { return payloads_.allocate(size); }
  void on_gone(std::function<void()> /*handler*/) override {}

  std::vector<usb::Urb> held;
  std::size_t submitted = 0;

 private:
  usb::DeviceModel model_ = test_model();
  PayloadPool payloads_;
};

TEST(UsbipServerEnd, SubmitsNothingMoreWhenOneCancelDuringDestructionGivesAllBack) {
  AllOrNothing device;
  FakeExports exports;
  {
    UsbipServer server(exports.lease(device), kSmall);
    feed(server, cmd_in(1, 100'000) + cmd_in(2, 100'000) + cmd_in(3, 100'000));
    ASSERT_EQ(device.submitted, 2U);
  }
  EXPECT_EQ(device.submitted, 2U);
  EXPECT_THAT(device.held, IsEmpty());
}

TEST(UsbipServerEnd, SurvivesACancelThatGivesAllBackWhenClosed) {
  AllOrNothing device;
  FakeExports exports;
  UsbipServer server(exports.lease(device));
  feed(server, cmd_in(1, 64) + cmd_in(2, 64) + cmd_in(3, 64));
  server.close();
  EXPECT_TRUE(server.finished());
}

// ---- The peer ends, in every phase
// ------------------------------------------------------------------------

Error broken() { return {Error::Kind::Gone, "the connection broke", "reset", {}}; }

struct PeerEnd {
  const char* name;
  std::size_t bytes;      ///< Of a SUBMIT OUT of 1000 bytes behind one whole SUBMIT IN.
  bool inside_a_message;  ///< By EOF this is a failure.
};
void PrintTo(const PeerEnd& end, std::ostream* out) { *out << end.name; }

class UsbipServerPeerEnd : public ::testing::TestWithParam<PeerEnd> {
 protected:
  UsbipServerPeerEnd() {
    peer.in(1, 64);
    peer.send(Bytes(cmd_out(2, pattern(1000))).first(GetParam().bytes));
  }
  ServerPeer peer;
};

TEST_P(UsbipServerPeerEnd, ByEofCancelsAllAndFinishes) {
  peer.server.receive_ended(std::nullopt);
  EXPECT_TRUE(peer.server.finished());
  EXPECT_EQ(peer.server.failure().has_value(), GetParam().inside_a_message);
  EXPECT_THAT(peer.device.held, IsEmpty());
}

TEST_P(UsbipServerPeerEnd, ByErrorCancelsAllAndFails) {
  peer.server.receive_ended(broken());
  EXPECT_TRUE(peer.server.finished());
  EXPECT_THAT(peer.server.failure()->what, HasSubstr("broke"));
  EXPECT_THAT(peer.device.held, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Phases, UsbipServerPeerEnd,
                         ::testing::Values(PeerEnd{"MidUrb", 0, false},
                                           PeerEnd{"HalfHeader", 20, true},
                                           PeerEnd{"HeaderOnly", 48, true},
                                           PeerEnd{"HalfPayload", 500, true},
                                           PeerEnd{"WholeMessage", 1048, false}),
                         [](const auto& phase) { return phase.param.name; });

TEST(UsbipServerEnd, ByEofWhenIdleIsNoFailure) {
  ServerPeer peer;
  peer.server.receive_ended(std::nullopt);
  EXPECT_TRUE(peer.server.finished());
  EXPECT_FALSE(peer.server.failure());
}

TEST(UsbipServerEnd, KeepsTheFirstFailure) {
  ServerPeer peer;
  auto bytes = cmd_in(1, 8);
  bytes[0] = std::byte{0xff};
  peer.send(bytes);
  peer.server.receive_ended(broken());
  EXPECT_THAT(peer.server.failure()->what, HasSubstr("malformed"));
}

TEST(UsbipServerEnd, TakesAnEndAfterItsOwn) {
  ServerPeer peer;
  peer.server.close();
  peer.server.receive_ended(std::nullopt);
  EXPECT_TRUE(peer.server.finished());
  EXPECT_FALSE(peer.server.failure());
}

}  // namespace
}  // namespace periprox::session
