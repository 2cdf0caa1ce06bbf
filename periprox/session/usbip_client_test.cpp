// The URB phase of a client session: what it sends, and that it believes no reply unchecked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/session/client_testing.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using usb::IsoPacket;
using usb::Status;
using usb::TransferType;
using usbip::IsoDescriptor;

/// An opened client.
struct Client : ::testing::Test {
  Client() { peer.open(); }
  [[nodiscard]] const Completions::Outcome& only() const {
    EXPECT_THAT(peer.done.outcomes, SizeIs(1));
    return peer.done.outcomes.at(0);
  }
  void expect_malformed(const char* text) {
    EXPECT_TRUE(peer.client.finished());
    ASSERT_TRUE(peer.client.failure());
    EXPECT_EQ(peer.client.failure()->kind, Error::Kind::Malformed);
    EXPECT_THAT(peer.client.failure()->text(), HasSubstr(text));
    EXPECT_EQ(peer.client.pending(), 0U);
    EXPECT_EQ(peer.gone, 1);
  }
  ClientPeer peer;
};

// ---- What is sent
// ---------------------------------------------------------------------------------------

TEST_F(Client, SendsABulkInWithIntervalAndPacketsZero) {
  auto urb = make_in(peer.done, kBulkIn, 512);
  urb->flags.short_not_ok = true;
  peer.client.submit(std::move(urb));
  const auto cmd = peer.command();
  EXPECT_EQ(cmd.header.basic.devid, kDevid);
  EXPECT_EQ(cmd.header.basic.direction, 1U);
  EXPECT_EQ(cmd.header.basic.ep, 1U);
  EXPECT_EQ(cmd.header.transfer_flags, 0x201U);
  EXPECT_EQ(cmd.header.transfer_buffer_length, 512);
  EXPECT_EQ(cmd.header.number_of_packets, 0);
  EXPECT_EQ(cmd.header.interval, 0);
  peer.send(ret_in(cmd.seqnum(), pattern(1)));
}

TEST_F(Client, SendsAnOutWithItsData) {
  auto urb = make_out(peer.client, peer.done, kBulkOut, pattern(100));
  urb->flags.zero_packet = true;
  peer.client.submit(std::move(urb));
  const auto cmd = peer.command();
  EXPECT_EQ(cmd.header.basic.direction, 0U);
  EXPECT_EQ(cmd.header.transfer_flags, 0x40U);
  EXPECT_EQ(cmd.data, pattern(100));
}

TEST_F(Client, SendsAnInterruptWithAnIntervalThatIsNotZero) {
  peer.client.submit(make_in(peer.done, kInterruptIn, 8, TransferType::Interrupt));
  EXPECT_GT(peer.command().header.interval, 0);
}

TEST_F(Client, AnswersSetAddressItself) {
  auto urb = make_in(peer.done, kControl, 0, TransferType::Control);
  urb->setup = {.bmRequestType = 0, .bRequest = 5, .wValue = std::uint16_t{9}};
  peer.client.submit(std::move(urb));
  EXPECT_THAT(peer.commands(), IsEmpty());
  EXPECT_EQ(only().status, Status::Ok);
}

TEST_F(Client, KillsAnUrbToAnEndpointThatIsNotThere) {
  peer.client.submit(make_in(peer.done, kMissing, 8));
  EXPECT_THAT(peer.commands(), IsEmpty());
  EXPECT_EQ(only().status, Status::Killed);
}

TEST_F(Client, FollowsASettingThatItsUserChanges) {
  auto urb = make_in(peer.done, kControl, 0, TransferType::Control);
  urb->setup = usb::SetupPacket::set_interface(1, 1);
  peer.client.submit(std::move(urb));
  EXPECT_EQ(peer.client.model().endpoint(kIsoInOfSetting1), nullptr);
  peer.send(ret_submit({.seqnum = peer.command().seqnum()}));
  EXPECT_NE(peer.client.model().endpoint(kIsoInOfSetting1), nullptr);
}

TEST_F(Client, KeepsItsSettingsWhenTheRequestFails) {
  auto urb = make_in(peer.done, kControl, 0, TransferType::Control);
  urb->setup = usb::SetupPacket::set_interface(1, 1);
  peer.client.submit(std::move(urb));
  peer.send(ret_submit({.seqnum = peer.command().seqnum(), .status = -32}));
  EXPECT_EQ(peer.client.model().endpoint(kIsoInOfSetting1), nullptr);
}

TEST_F(Client, WakesThePumpWhenThereIsSomethingToSend) {
  const auto before = peer.waker.wakes;
  peer.client.submit(make_in(peer.done, kBulkIn, 8));
  EXPECT_EQ(peer.waker.wakes, before + 1);
}

// ---- Sound replies
// ----------------------------------------------------------------------------------------

TEST_F(Client, DeliversInData) {
  peer.send(ret_in(peer.in(kBulkIn, 512), pattern(300)));
  EXPECT_EQ(only().status, Status::Ok);
  EXPECT_EQ(only().actual_length, 300U);
  EXPECT_EQ(only().data, pattern(300));
}

TEST_F(Client, DeliversALargeInByteByByte) {
  peer.send(ret_in(peer.in(kBulkIn, 10'000), pattern(10'000)), 1);
  EXPECT_EQ(only().data, pattern(10'000));
}

TEST_F(Client, DeliversInDataCutAnywhere) {
  const auto first = ret_in(peer.in(kBulkIn, 60), pattern(60));
  for (std::size_t cut = 1; cut < first.size(); ++cut) {
    const auto ret = ret_in(peer.in(kBulkIn, 60), pattern(60, static_cast<std::uint32_t>(cut)));
    peer.send(Bytes(ret).first(cut));
    peer.send(Bytes(ret).subspan(cut));
    ASSERT_EQ(peer.done.outcomes.back().data, pattern(60, static_cast<std::uint32_t>(cut))) << cut;
  }
}

TEST_F(Client, ReadsIntoTheMemoryOfTheSubmitter) {
  auto urb = make_in(peer.done, kBulkIn, 100'000);
  urb->payload = peer.client.allocate(100'000);
  const auto* memory = urb->payload.data();
  peer.client.submit(std::move(urb));
  const auto ret = ret_in(peer.command().seqnum(), pattern(100'000));
  peer.send(Bytes(ret).first(48));
  EXPECT_EQ(peer.client.receive_into().front().data(), memory);
  peer.send(Bytes(ret).subspan(48));
  EXPECT_EQ(only().data, pattern(100'000));
}

TEST_F(Client, DeliversOut) {
  peer.send(ret_submit({.seqnum = peer.out(kBulkOut, pattern(100)), .actual_length = 100}));
  EXPECT_EQ(only().actual_length, 100U);
}

TEST_F(Client, DeliversDataAlongWithAnError) {
  peer.send(
      ret_submit({.seqnum = peer.in(kBulkIn, 64), .status = -121, .actual_length = 5}, pattern(5)));
  EXPECT_EQ(only().status, Status::ShortTransfer);
  EXPECT_EQ(only().data, pattern(5));
}

TEST_F(Client, AcceptsMinusOneAndGarbagePacketsOnBulk) {
  peer.send(ret_submit({.seqnum = peer.in(kBulkIn, 64), .packets = -1}));
  peer.send(ret_submit({.seqnum = peer.in(kBulkIn, 64), .packets = 77}));
  EXPECT_THAT(peer.done.outcomes, SizeIs(2));
  EXPECT_TRUE(peer.alive());
}

TEST_F(Client, TakesUrbsSubmittedFromACompletion) {
  int left = 50;
  peer.done.then = [&] {
    if (--left > 0) peer.client.submit(make_in(peer.done, kBulkIn, 8));
  };
  peer.client.submit(make_in(peer.done, kBulkIn, 8));
  for (int i = 0; i < 50; ++i) peer.send(ret_in(peer.command().seqnum(), pattern(8)));
  EXPECT_THAT(peer.done.outcomes, SizeIs(50));
}

// ---- Hostile replies
// --------------------------------------------------------------------------------------

TEST_F(Client, IgnoresAnEmptyReplyToNothing) {
  peer.send(ret_submit({.seqnum = 0xdeadbeef}));
  EXPECT_TRUE(peer.alive());
  peer.send(ret_in(peer.in(kBulkIn, 8), pattern(8)));
  EXPECT_EQ(only().data, pattern(8));
}

TEST_F(Client, EndsOnAReplyToNothingThatMayCarryData) {
  peer.in(kBulkIn, 8);
  peer.send(ret_submit({.seqnum = 0xdeadbeef, .actual_length = 8}));
  expect_malformed("not pending");
  EXPECT_EQ(only().status, Status::DeviceGone);
}

TEST_F(Client, EndsOnAReplyToNothingThatMayCarryPackets) {
  peer.send(ret_submit({.seqnum = 0xdeadbeef, .packets = 3}));
  expect_malformed("not pending");
}

TEST_F(Client, IgnoresASecondEmptyReply) {
  const auto seqnum = peer.in(kBulkIn, 8);
  peer.send(ret_in(seqnum, pattern(8)));
  peer.send(ret_submit({.seqnum = seqnum}));
  EXPECT_THAT(peer.done.outcomes, SizeIs(1));
  EXPECT_TRUE(peer.alive());
}

TEST_F(Client, EndsOnASecondReplyWithData) {
  const auto seqnum = peer.in(kBulkIn, 8);
  peer.send(ret_in(seqnum, pattern(8)));
  peer.send(ret_in(seqnum, pattern(8)));
  expect_malformed("not pending");
  EXPECT_THAT(peer.done.outcomes, SizeIs(1));
}

TEST_F(Client, EndsOnMoreInDataThanWasAskedFor) {
  peer.send(ret_submit({.seqnum = peer.in(kBulkIn, 8), .actual_length = 9}));
  expect_malformed("a reply of 9 bytes to a request of 8");
  EXPECT_EQ(only().status, Status::DeviceGone);
}

TEST_F(Client, EndsOnANegativeInLength) {
  peer.send(ret_submit({.seqnum = peer.in(kBulkIn, 8), .actual_length = -1}));
  expect_malformed("-1 bytes");
}

TEST_F(Client, EndsOnANegativeOutLength) {
  peer.send(ret_submit({.seqnum = peer.out(kBulkOut, pattern(8)), .actual_length = INT32_MIN}));
  expect_malformed("bytes");
}

TEST_F(Client, ClampsAnOutLengthThatIsTooLong) {
  peer.send(ret_submit({.seqnum = peer.out(kBulkOut, pattern(8)), .actual_length = 9000}));
  EXPECT_EQ(only().actual_length, 8U);
  EXPECT_TRUE(peer.alive());
}

TEST_F(Client, TakesAPositiveStatusForAProtocolError) {
  peer.send(ret_submit({.seqnum = peer.in(kBulkIn, 8), .status = 5}));
  EXPECT_EQ(only().status, Status::ProtocolError);
}

TEST_F(Client, TakesAnUnknownStatusForAProtocolError) {
  peer.send(ret_submit({.seqnum = peer.in(kBulkIn, 8), .status = -4000}));
  EXPECT_EQ(only().status, Status::ProtocolError);
}

TEST_F(Client, EndsOnACommandFromAServer) {
  peer.send(cmd_in(1, 8));
  expect_malformed("command 1");
}

TEST_F(Client, EndsOnAnUnknownCommand) {
  auto bytes = ret_submit({});
  bytes[3] = std::byte{9};
  peer.send(bytes);
  expect_malformed("command 9");
}

// ---- Isochronous
// ------------------------------------------------------------------------------------------

const std::vector<IsoPacket> kSparse{{0, 100}, {150, 100}, {300, 100}};

TEST_F(Client, SendsIsochronousInAsItLies) {
  const auto cmd = peer.iso(kIsoIn, 400, kSparse);
  EXPECT_EQ(cmd.header.number_of_packets, 3);
  EXPECT_EQ(cmd.header.transfer_buffer_length, 400);
  EXPECT_GT(cmd.header.interval, 0);
  EXPECT_EQ(cmd.descriptors[2].offset, 300U);
  EXPECT_EQ(cmd.descriptors[2].actual_length, 0U);
  EXPECT_EQ(cmd.descriptors[2].status, -18);
}

TEST_F(Client, SendsIsochronousOutWithoutGaps) {
  const auto cmd = peer.iso(kIsoOut, 400, kSparse);
  const auto data = pattern(400);
  EXPECT_EQ(cmd.header.transfer_buffer_length, 300);
  ASSERT_EQ(cmd.data.size(), 300U);
  EXPECT_TRUE(std::ranges::equal(Bytes(cmd.data).subspan(100, 100), Bytes(data).subspan(150, 100)));
  EXPECT_TRUE(std::ranges::equal(Bytes(cmd.data).subspan(200, 100), Bytes(data).subspan(300, 100)));
  EXPECT_EQ(cmd.descriptors[1].offset, 100U);
  EXPECT_EQ(cmd.descriptors[2].offset, 200U);
}

TEST_F(Client, SpreadsIsochronousInToItsOffsets) {
  const auto cmd = peer.iso(kIsoIn, 400, kSparse);
  const auto data = pattern(117);
  peer.send(ret_submit({.seqnum = cmd.seqnum(), .actual_length = 117, .packets = 3}, data,
                       {{std::uint32_t{0}, std::uint32_t{100}, std::uint32_t{10}, 0},
                        {std::uint32_t{150}, std::uint32_t{100}, std::uint32_t{7}, -18},
                        {std::uint32_t{300}, std::uint32_t{100}, std::uint32_t{100}, 0}}));
  const auto& outcome = only();
  EXPECT_EQ(outcome.status, Status::Ok);
  EXPECT_EQ(outcome.error_count, 1U);
  EXPECT_EQ(outcome.iso_packets[1], (IsoPacket{150, 100, 7, Status::IsoPartial}));
  EXPECT_TRUE(std::ranges::equal(Bytes(outcome.data).subspan(0, 10), Bytes(data).subspan(0, 10)));
  EXPECT_TRUE(std::ranges::equal(Bytes(outcome.data).subspan(150, 7), Bytes(data).subspan(10, 7)));
  EXPECT_TRUE(
      std::ranges::equal(Bytes(outcome.data).subspan(300, 100), Bytes(data).subspan(17, 100)));
}

TEST_F(Client, KeepsTheOffsetsThatWereSubmittedWhateverTheReplySays) {
  const auto cmd = peer.iso(kIsoIn, 400, kSparse);
  const auto data = pattern(20);
  peer.send(ret_submit({.seqnum = cmd.seqnum(), .actual_length = 20, .packets = 3}, data,
                       {{std::uint32_t{0}, std::uint32_t{100}, std::uint32_t{10}, 0},
                        {0xfffffff0U, 0xffffU, std::uint32_t{10}, 0},
                        {std::uint32_t{0}, std::uint32_t{0}, std::uint32_t{0}, 0}}));
  const auto& outcome = only();
  EXPECT_EQ(outcome.status, Status::Ok);
  EXPECT_EQ(outcome.iso_packets[1].offset, 150U);
  EXPECT_EQ(outcome.iso_packets[1].length, 100U);
  EXPECT_TRUE(
      std::ranges::equal(Bytes(outcome.data).subspan(150, 10), Bytes(data).subspan(10, 10)));
}

void delivers_protocol_error(ClientPeer& peer, std::int32_t actual,
                             const std::vector<IsoDescriptor>& descriptors) {
  const auto cmd = peer.iso(kIsoIn, 400, kSparse);
  peer.send(ret_submit({.seqnum = cmd.seqnum(), .actual_length = actual, .packets = 3},
                       pattern(static_cast<std::size_t>(actual)), descriptors));
  ASSERT_THAT(peer.done.outcomes, SizeIs(1));
  const auto& outcome = peer.done.outcomes[0];
  EXPECT_EQ(outcome.status, Status::ProtocolError);
  EXPECT_EQ(outcome.actual_length, 0U);
  for (const auto& packet : outcome.iso_packets) EXPECT_EQ(packet.actual_length, 0U);
  EXPECT_TRUE(peer.alive());
}

TEST_F(Client, DoesNotBelieveAPacketLongerThanItsPlace) {
  auto layout = iso_layout(3, 100, 50);
  layout[0].actual_length = std::uint32_t{101};
  delivers_protocol_error(peer, 101, layout);
}

TEST_F(Client, DoesNotBelieveASumThatIsTooSmall) {
  delivers_protocol_error(peer, 5, iso_layout(3, 100, 50));
}

TEST_F(Client, DoesNotBelieveASumThatIsTooLarge) {
  auto layout = iso_layout(3, 100, 50);
  layout[0].actual_length = std::uint32_t{100};
  delivers_protocol_error(peer, 5, layout);
}

TEST_F(Client, DoesNotBelieveASumThatWraps) {
  auto layout = iso_layout(3, 100, 50);
  layout[0].actual_length = 0xffffffffU;
  layout[1].actual_length = std::uint32_t{6};
  delivers_protocol_error(peer, 5, layout);
}

TEST_F(Client, EndsOnFewerPacketsThanSubmitted) {
  const auto cmd = peer.iso(kIsoIn, 400, kSparse);
  peer.send(ret_submit({.seqnum = cmd.seqnum(), .packets = 2}, {}, iso_layout(2, 100, 50)));
  expect_malformed("2 isochronous packets to a request of 3");
}

TEST_F(Client, EndsOnMorePacketsThanSubmitted) {
  const auto cmd = peer.iso(kIsoIn, 400, kSparse);
  peer.send(ret_submit({.seqnum = cmd.seqnum(), .packets = 1024}));
  expect_malformed("1024 isochronous packets");
}

TEST_F(Client, EndsOnNegativePackets) {
  const auto cmd = peer.iso(kIsoIn, 400, kSparse);
  peer.send(ret_submit({.seqnum = cmd.seqnum(), .packets = -1}));
  expect_malformed("-1 isochronous packets");
}

TEST_F(Client, RefusesALayoutOfItsUserThatOverlaps) {
  auto urb = make_in(peer.done, kIsoIn, 100, TransferType::Isochronous);
  urb->iso_packets = {{0, 60}, {50, 50}};
  peer.client.submit(std::move(urb));
  EXPECT_EQ(only().status, Status::InvalidArgument);
  EXPECT_THAT(peer.commands(), IsEmpty());
}

TEST_F(Client, TakesAnIsochronousUrbWithoutPackets) {
  const auto cmd = peer.iso(kIsoIn, 400, {});
  peer.send(ret_submit({.seqnum = cmd.seqnum()}));
  EXPECT_EQ(only().status, Status::Ok);
}

TEST_F(Client, LeavesDescriptorsThatAreArrivingAloneWhenAnUrbIsSubmitted) {
  const auto cmd = peer.iso(kIsoIn, 400, kSparse);
  auto layout = iso_layout(3, 100, 50);
  layout[1].actual_length = std::uint32_t{7};
  const auto ret =
      ret_submit({.seqnum = cmd.seqnum(), .actual_length = 7, .packets = 3}, pattern(7), layout);
  peer.send(Bytes(ret).first(48 + 7 + 20));
  // The link is reading the rest; meanwhile the user submits another.
  const auto place = peer.client.receive_into().front();
  peer.iso(kIsoOut, 1024 * 4, [] {
    std::vector<IsoPacket> packets;
    for (std::uint32_t i = 0; i < 1024; ++i) packets.push_back({i * 4, 4});
    return packets;
  }());
  std::memcpy(place.data(), ret.data() + 48 + 7 + 20, 28);
  peer.client.received(28);
  ASSERT_THAT(peer.done.outcomes, SizeIs(1));
  EXPECT_EQ(peer.done.outcomes[0].status, Status::Ok);
  EXPECT_EQ(peer.done.outcomes[0].iso_packets[1].actual_length, 7U);
}

// ---- Cancelling
// ---------------------------------------------------------------------------------------------

TEST_F(Client, SendsAnUnlinkWithASeqnumOfItsOwn) {
  const auto seqnum = peer.in(kBulkIn, 8);
  peer.client.cancel(peer.handle);
  const auto cmd = peer.command();
  EXPECT_EQ(cmd.command, usbip::Command::CmdUnlink);
  EXPECT_EQ(cmd.unlink_seqnum, seqnum);
  EXPECT_NE(cmd.seqnum(), seqnum);
  EXPECT_EQ(cmd.header.basic.devid, kDevid);
  EXPECT_THAT(peer.done.outcomes, IsEmpty());
}

TEST_F(Client, SendsOneUnlinkForTwoCancels) {
  peer.in(kBulkIn, 8);
  peer.client.cancel(peer.handle);
  peer.client.cancel(peer.handle);
  EXPECT_THAT(peer.commands(), SizeIs(1));
}

void is_cancelled_by_ret_unlink(ClientPeer& peer, std::int32_t status) {
  peer.in(kBulkIn, 8);
  peer.client.cancel(peer.handle);
  peer.send(ret_unlink(peer.command().seqnum(), status));
  ASSERT_THAT(peer.done.outcomes, SizeIs(1));
  EXPECT_EQ(peer.done.outcomes[0].status, Status::Cancelled);
  EXPECT_EQ(peer.client.pending(), 0U);
}

TEST_F(Client, IsCancelledByRetUnlinkConnReset) { is_cancelled_by_ret_unlink(peer, -104); }
TEST_F(Client, IsCancelledByRetUnlinkZeroWithoutRetSubmit) { is_cancelled_by_ret_unlink(peer, 0); }
TEST_F(Client, IsCancelledByRetUnlinkWithTheUrbsOwnStatus) {
  is_cancelled_by_ret_unlink(peer, -32);
}
TEST_F(Client, IsCancelledByRetUnlinkWithAPositiveStatus) { is_cancelled_by_ret_unlink(peer, 77); }

TEST_F(Client, DeliversTheRealResultWhenACancelLosesTheRace) {
  const auto seqnum = peer.in(kBulkIn, 8);
  peer.client.cancel(peer.handle);
  const auto unlink = peer.command().seqnum();
  peer.send(ret_in(seqnum, pattern(8)) + ret_unlink(unlink, 0));
  EXPECT_EQ(only().status, Status::Ok);
  EXPECT_EQ(only().data, pattern(8));
  EXPECT_TRUE(peer.alive());
}

TEST_F(Client, SwallowsARetSubmitWithDataAfterRetUnlink) {
  const auto seqnum = peer.in(kBulkIn, 5000);
  peer.client.cancel(peer.handle);
  peer.send(ret_unlink(peer.command().seqnum(), -104) + ret_in(seqnum, pattern(5000)));
  EXPECT_TRUE(peer.alive());
  EXPECT_THAT(peer.done.outcomes, SizeIs(1));
  peer.send(ret_in(peer.in(kBulkIn, 8), pattern(8)));
  EXPECT_EQ(peer.done.outcomes.at(1).data, pattern(8));
}

TEST_F(Client, SwallowsAnIsochronousRetSubmitAfterRetUnlink) {
  const auto cmd = peer.iso(kIsoIn, 400, kSparse);
  peer.client.cancel(peer.handle);
  auto layout = iso_layout(3, 100, 50);
  layout[0].actual_length = std::uint32_t{9};
  peer.send(
      ret_unlink(peer.command().seqnum(), -104) +
      ret_submit({.seqnum = cmd.seqnum(), .actual_length = 9, .packets = 3}, pattern(9), layout));
  EXPECT_TRUE(peer.alive());
  peer.send(ret_in(peer.in(kBulkIn, 8), pattern(8)));
  EXPECT_EQ(peer.done.outcomes.at(1).data, pattern(8));
}

TEST_F(Client, SwallowsNoMoreThanWasAskedForAfterRetUnlink) {
  const auto seqnum = peer.in(kBulkIn, 8);
  peer.client.cancel(peer.handle);
  peer.send(ret_unlink(peer.command().seqnum(), -104) +
            ret_submit({.seqnum = seqnum, .actual_length = 9}));
  expect_malformed("9 bytes");
}

TEST_F(Client, IgnoresARetUnlinkForNothing) {
  peer.send(ret_unlink(0x12345, -104));
  EXPECT_TRUE(peer.alive());
}

TEST_F(Client, IgnoresARetUnlinkThatNamesASubmit) {
  const auto seqnum = peer.in(kBulkIn, 8);
  peer.send(ret_unlink(seqnum, -104));
  EXPECT_TRUE(peer.alive());
  EXPECT_THAT(peer.done.outcomes, IsEmpty());
}

TEST_F(Client, EndsOnARetSubmitThatNamesAnUnlinkAndMayCarryData) {
  peer.in(kBulkIn, 8);
  peer.client.cancel(peer.handle);
  peer.send(ret_submit({.seqnum = peer.command().seqnum(), .actual_length = 8}));
  expect_malformed("not pending");
}

TEST_F(Client, GivesUpOnAnUnlinkThatIsNotAnswered) {
  peer.in(kBulkIn, 8);
  peer.client.cancel(peer.handle);
  EXPECT_EQ(peer.client.wake_at(), TimePoint::min());
  peer.client.woken(kClientStart);
  EXPECT_EQ(peer.client.wake_at(), kClientStart + std::chrono::seconds(5));
  peer.client.woken(kClientStart + std::chrono::seconds(4));
  EXPECT_THAT(peer.done.outcomes, IsEmpty());
  peer.client.woken(kClientStart + std::chrono::seconds(5));
  EXPECT_EQ(only().status, Status::Cancelled);
  EXPECT_EQ(peer.client.wake_at(), std::nullopt);
  EXPECT_TRUE(peer.alive());
}

TEST_F(Client, SwallowsWhatComesAfterItGaveUp) {
  const auto seqnum = peer.in(kBulkIn, 5000);
  peer.client.cancel(peer.handle);
  const auto unlink = peer.command().seqnum();
  peer.client.woken(kClientStart);
  peer.client.woken(kClientStart + std::chrono::seconds(5));
  peer.send(ret_in(seqnum, pattern(5000)) + ret_unlink(unlink, 0));
  EXPECT_TRUE(peer.alive());
  EXPECT_THAT(peer.done.outcomes, SizeIs(1));
}

TEST_F(Client, GivesUpWhileTheDataIsArriving) {
  const auto seqnum = peer.in(kBulkIn, 5000);
  peer.client.cancel(peer.handle);
  peer.client.woken(kClientStart);
  const auto ret = ret_in(seqnum, pattern(5000));
  peer.send(Bytes(ret).first(1000));
  peer.client.woken(kClientStart + std::chrono::seconds(5));
  EXPECT_EQ(only().status, Status::Cancelled);
  peer.send(Bytes(ret).subspan(1000));
  EXPECT_THAT(peer.done.outcomes, SizeIs(1));
  EXPECT_TRUE(peer.alive());
}

TEST_F(Client, MixesNothingUpWhenItGivesUpOnMoreUrbsThanItRemembersWhileDataIsArriving) {
  // The slot of the first URB is forgotten and given to another while its descriptors arrive.
  const auto cmd = peer.iso(kIsoIn, 400, kSparse);
  peer.client.cancel(peer.handle);
  for (int i = 0; i < 1100; ++i) {
    auto urb = make_in(peer.done, kBulkIn, 8);
    const auto handle = urb.handle();
    peer.client.submit(std::move(urb));
    peer.client.cancel(handle);
  }
  (void)peer.commands();
  peer.client.woken(kClientStart);
  auto layout = iso_layout(3, 100, 50);
  const auto ret = ret_submit({.seqnum = cmd.seqnum(), .packets = 3}, {}, layout);
  peer.send(Bytes(ret).first(60));
  peer.client.woken(kClientStart + std::chrono::seconds(5));
  EXPECT_THAT(peer.done.outcomes, SizeIs(1101));
  std::vector<IsoPacket> many;
  for (std::uint32_t i = 0; i < 1024; ++i) many.push_back({i, 1});
  for (int i = 0; i < 2500; ++i) {
    auto urb = make_in(peer.done, kIsoIn, 1024, TransferType::Isochronous);
    urb->iso_packets = many;
    peer.client.submit(std::move(urb));
  }
  (void)collect(peer.client);
  peer.send(Bytes(ret).subspan(60));
  EXPECT_TRUE(peer.alive());
  EXPECT_THAT(peer.done.outcomes, SizeIs(1101));
}

TEST_F(Client, KeepsWorkingAfterMoreUnansweredUnlinksThanItHasSeqnums) {
  auto now = kClientStart;
  for (int i = 0; i < 70; ++i) {
    for (int j = 0; j < 1000; ++j) {
      auto urb = make_in(peer.done, kBulkIn, 8);
      const auto handle = urb.handle();
      peer.client.submit(std::move(urb));
      peer.client.cancel(handle);
    }
    (void)collect(peer.client);
    peer.client.woken(now);
    now += std::chrono::seconds(5);
    peer.client.woken(now);
  }
  EXPECT_THAT(peer.done.outcomes, SizeIs(70'000));
  peer.done.outcomes.clear();
  peer.send(ret_in(peer.in(kBulkIn, 8), pattern(8)));
  EXPECT_EQ(only().status, Status::Ok);
}

// ---- Ends
// -----------------------------------------------------------------------------------------------------

TEST_F(Client, GivesAllBackInOrderThenTellsWhenTheServerHangsUp) {
  // Slots that are used again must not change the order.
  for (int i = 0; i < 4; ++i) peer.client.submit(make_in(peer.done, kBulkIn, 8));
  const auto commands = peer.commands();
  for (const auto i : {2, 0, 3})
    peer.send(ret_in(commands[static_cast<std::size_t>(i)].seqnum(), pattern(8)));
  peer.done.outcomes.clear();
  for (std::uint64_t i = 1; i <= 5; ++i)
    peer.client.submit(make_in(peer.done, kBulkIn, 8, TransferType::Bulk, i));
  peer.client.receive_ended(std::nullopt);
  ASSERT_THAT(peer.done.outcomes, SizeIs(6));
  for (std::uint64_t i = 0; i <= 5; ++i) {
    EXPECT_EQ(peer.done.outcomes[i].cookie, i);
    EXPECT_EQ(peer.done.outcomes[i].status, Status::DeviceGone);
  }
  EXPECT_EQ(peer.gone, 1);
  EXPECT_EQ(peer.client.failure()->kind, Error::Kind::Gone);
}

TEST_F(Client, GivesUrbsBackAtOnceAfterItsEnd) {
  peer.client.close();
  peer.client.submit(make_in(peer.done, kBulkIn, 8));
  EXPECT_EQ(only().status, Status::DeviceGone);
}

TEST_F(Client, EndsInTheMiddleOfAHeader) {
  const auto ret = ret_in(peer.in(kBulkIn, 8), pattern(8));
  peer.send(Bytes(ret).first(20));
  peer.client.receive_ended(std::nullopt);
  EXPECT_EQ(only().status, Status::DeviceGone);
}

TEST_F(Client, EndsInTheMiddleOfDataAndKeepsItsPlace) {
  const auto ret = ret_in(peer.in(kBulkIn, 50'000), pattern(50'000));
  peer.send(Bytes(ret).first(1000));
  const auto place = peer.client.receive_into().front();
  peer.client.close();
  EXPECT_EQ(only().status, Status::DeviceGone);
  std::memset(place.data(), 1, place.size());
  peer.client.received(place.size());
  EXPECT_THAT(peer.done.outcomes, SizeIs(1));
}

TEST_F(Client, EndsByAnError) {
  peer.in(kBulkIn, 8);
  peer.client.receive_ended(Error{Error::Kind::Gone, "the connection broke", "reset", {}});
  EXPECT_EQ(only().status, Status::DeviceGone);
  EXPECT_THAT(peer.client.failure()->what, HasSubstr("broke"));
}

TEST_F(Client, TellsOnlyOnceThatItIsGone) {
  peer.client.close();
  peer.client.receive_ended(std::nullopt);
  EXPECT_EQ(peer.gone, 1);
  EXPECT_FALSE(peer.client.failure());
}

TEST(ClientEnd, GivesAllBackWhenDestroyed) {
  Completions done;
  {
    ClientPeer peer;
    peer.open();
    peer.client.submit(make_in(done, kBulkIn, 8));
    peer.client.submit(make_in(done, kInterruptIn, 8, TransferType::Interrupt));
  }
  ASSERT_THAT(done.outcomes, SizeIs(2));
  EXPECT_EQ(done.outcomes[0].status, Status::DeviceGone);
}

}  // namespace
}  // namespace periprox::session
