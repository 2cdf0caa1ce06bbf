// Isochronous URBs through a server session.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/session/server_testing.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::HasSubstr;
using ::testing::SizeIs;
using usb::Status;
using usbip::IsoDescriptor;

/// Fills packet i of a held IN URB with `lengths[i]` bytes of pattern(…, i) and completes it.
void complete_iso_in(FakeDevice& device, const std::vector<std::uint32_t>& lengths) {
  auto urb = device.take();
  urb->payload = device.allocate(urb->length);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    auto& packet = urb->iso_packets[i];
    packet.actual_length = lengths[i];
    packet.status = Status::Ok;
    const auto data = pattern(lengths[i], static_cast<std::uint32_t>(i));
    if (!data.empty()) std::memcpy(urb->payload.data() + packet.offset, data.data(), data.size());
  }
  urb.complete(Status::Ok, 0);
}

ByteVector packed(const std::vector<std::uint32_t>& lengths) {
  ByteVector all;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    append(all, pattern(lengths[i], static_cast<std::uint32_t>(i)));
  return all;
}

void moves_iso_in(std::uint32_t packets, std::uint32_t gap) {
  ServerPeer peer;
  const auto layout = iso_layout(packets, 24, gap);
  const auto length = static_cast<std::int32_t>(packets * (24 + gap));
  peer.submit({.seqnum = 1,
               .endpoint = kIsoIn,
               .length = length,
               .packets = static_cast<std::int32_t>(packets)},
              {}, layout);
  ASSERT_THAT(peer.device.held, SizeIs(1));
  std::vector<std::uint32_t> lengths;
  for (std::uint32_t i = 0; i < packets; ++i) lengths.push_back(i % 25);
  complete_iso_in(peer.device, lengths);
  const auto reply = peer.reply();
  EXPECT_EQ(reply.data, packed(lengths));
  EXPECT_EQ(reply.packets, static_cast<std::int32_t>(packets));
  ASSERT_THAT(reply.descriptors, SizeIs(packets));
  for (std::uint32_t i = 0; i < packets; ++i) {
    EXPECT_EQ(reply.descriptors[i].offset, layout[i].offset);
    EXPECT_EQ(reply.descriptors[i].length, 24U);
    EXPECT_EQ(reply.descriptors[i].actual_length, lengths[i]);
    EXPECT_EQ(reply.descriptors[i].status, 0);
  }
}

TEST(UsbipServerIso, MovesOnePacketIn) { moves_iso_in(1, 0); }
TEST(UsbipServerIso, Moves6PacketsIn) { moves_iso_in(6, 0); }
TEST(UsbipServerIso, Moves10PacketsIn) { moves_iso_in(10, 0); }
TEST(UsbipServerIso, Moves32PacketsIn) { moves_iso_in(32, 0); }
TEST(UsbipServerIso, Moves128PacketsIn) { moves_iso_in(128, 0); }
TEST(UsbipServerIso, Moves129PacketsIn) { moves_iso_in(129, 0); }
TEST(UsbipServerIso, Moves1024PacketsIn) { moves_iso_in(1024, 0); }
TEST(UsbipServerIso, Moves32SparsePacketsIn) { moves_iso_in(32, 13); }
TEST(UsbipServerIso, Moves1024SparsePacketsIn) { moves_iso_in(1024, 1); }

TEST(UsbipServerIso, TakesAnUrbWithoutPackets) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kIsoIn, .length = 100, .packets = 0});
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_THAT(peer.device.held[0]->iso_packets, SizeIs(0));
  peer.device.complete();
  const auto reply = peer.reply();
  EXPECT_EQ(reply.packets, 0);
  EXPECT_EQ(reply.actual_length, 0);
}

TEST(UsbipServerIso, TakesMinusOneForNoPackets) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kIsoIn, .length = 100, .packets = -1});
  ASSERT_THAT(peer.device.held, SizeIs(1));
  peer.device.complete();
  EXPECT_EQ(peer.reply().packets, -1);
}

TEST(UsbipServerIso, AnswersANegativeCountAndGoesOn) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kIsoIn, .length = 100, .packets = -7});
  EXPECT_EQ(peer.reply().status, -22);
  peer.in(2, 8);
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

TEST(UsbipServerIso, EndsOnMoreThan1024Packets) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kIsoIn, .length = 100, .packets = 1025});
  EXPECT_TRUE(peer.server.finished());
  EXPECT_THAT(peer.server.failure()->why, HasSubstr("1025"));
}

TEST(UsbipServerIso, MovesOut) {
  ServerPeer peer;
  const auto data = pattern(3 * 100);
  peer.submit({.seqnum = 1, .endpoint = kIsoOut, .length = 300, .packets = 3}, data,
              iso_layout(3, 100));
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_TRUE(std::ranges::equal(peer.device.held[0]->data(), data));
  EXPECT_EQ(peer.device.held[0]->iso_packets[2], (usb::IsoPacket{200, 100, 0, Status::IsoPartial}));
}

TEST(UsbipServerIso, MovesSparseOut) {
  ServerPeer peer;
  const auto data = pattern(3 * 110);
  peer.submit({.seqnum = 1, .endpoint = kIsoOut, .length = 330, .packets = 3}, data,
              iso_layout(3, 100, 10));
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_TRUE(std::ranges::equal(peer.device.held[0]->data(), data));
  EXPECT_EQ(peer.device.held[0]->iso_packets[2].offset, 220U);
}

TEST(UsbipServerIso, AnswersOutWithASumThatFitsItsPackets) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kIsoOut, .length = 300, .packets = 3}, pattern(300),
              iso_layout(3, 100));
  auto urb = peer.device.take();
  urb->iso_packets[0].actual_length = 100;
  urb->iso_packets[1].actual_length = 7;
  urb.complete(Status::Ok, 300);  // What the device says of the whole is not believed.
  const auto reply = peer.reply();
  EXPECT_EQ(reply.actual_length, 107);
  EXPECT_TRUE(reply.data.empty());
  EXPECT_THAT(reply.descriptors, SizeIs(3));
}

TEST(UsbipServerIso, TellsTheStatusOfEachPacketAndCountsErrors) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kIsoIn, .length = 300, .packets = 3}, {},
              iso_layout(3, 100));
  auto urb = peer.device.take();
  urb->payload = peer.device.allocate(300);
  urb->iso_packets[0] = {0, 100, 0, Status::CrcError};
  urb->iso_packets[1] = {100, 100, 0, Status::Ok};
  urb->iso_packets[2] = {200, 100, 0, Status::IsoPartial};
  urb.complete(Status::Ok, 0);
  const auto reply = peer.reply();
  EXPECT_EQ(reply.error_count, 2);
  EXPECT_EQ(reply.descriptors[0].status, -84);
  EXPECT_EQ(reply.descriptors[1].status, 0);
  EXPECT_EQ(reply.descriptors[2].status, -18);
}

TEST(UsbipServerIso, DoesNotBelieveAPacketLongerThanItsPlace) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kIsoIn, .length = 200, .packets = 2}, {},
              iso_layout(2, 100));
  auto urb = peer.device.take();
  urb->payload = peer.device.allocate(200);
  urb->iso_packets[1].actual_length = 5000;
  urb.complete(Status::Ok, 0);
  const auto reply = peer.reply();
  EXPECT_EQ(reply.actual_length, 100);
  EXPECT_EQ(reply.descriptors[1].actual_length, 100U);
}

TEST(UsbipServerIso, SendsNoDataThatTheDeviceHasNoMemoryFor) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kIsoIn, .length = 200, .packets = 2}, {},
              iso_layout(2, 100));
  auto urb = peer.device.take();
  urb->iso_packets[1].actual_length = 100;
  urb.complete(Status::Ok, 100);
  const auto reply = peer.reply();
  EXPECT_EQ(reply.actual_length, 0);
  EXPECT_EQ(reply.descriptors[1].actual_length, 0U);
}

TEST(UsbipServerIso, IgnoresTheActualLengthOfACommand) {
  ServerPeer peer;
  auto layout = iso_layout(1, 100);
  layout[0].actual_length = 0xffffffff;
  peer.submit({.seqnum = 1, .endpoint = kIsoIn, .length = 100, .packets = 1}, {}, layout);
  EXPECT_EQ(peer.device.held[0]->iso_packets[0].actual_length, 0U);
}

void refuses_layout(const std::vector<IsoDescriptor>& layout) {
  ServerPeer peer;
  peer.submit({.seqnum = 1,
               .endpoint = kIsoIn,
               .length = 200,
               .packets = static_cast<std::int32_t>(layout.size())},
              {}, layout);
  const auto reply = peer.reply();
  EXPECT_EQ(reply.status, -22);
  EXPECT_EQ(reply.actual_length, 0);
  EXPECT_THAT(reply.descriptors, SizeIs(layout.size()));
  EXPECT_EQ(peer.device.submitted, 0U);
  peer.in(2, 8);
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

TEST(UsbipServerIso, RefusesAPacketOutsideTheBuffer) {
  refuses_layout({{std::uint32_t{150}, std::uint32_t{51}}});
}
TEST(UsbipServerIso, RefusesAnOffsetThatWraps) {
  refuses_layout({{0xffffffffU, std::uint32_t{2}}});
}
TEST(UsbipServerIso, RefusesOverlap) {
  refuses_layout({{std::uint32_t{0}, std::uint32_t{100}}, {std::uint32_t{50}, std::uint32_t{100}}});
}

TEST(UsbipServerIso, TakesDescriptorsThatAreCutAnywhere) {
  const auto data = pattern(32);
  const auto layout = iso_layout(2, 16);
  const auto cmd =
      cmd_submit({.seqnum = 1, .endpoint = kIsoOut, .length = 32, .packets = 2}, data, layout) +
      cmd_in(2, 8);
  for (std::size_t cut = 0; cut <= cmd.size(); ++cut) {
    ServerPeer peer;
    peer.send(Bytes(cmd).first(cut));
    peer.send(Bytes(cmd).subspan(cut));
    ASSERT_THAT(peer.device.held, SizeIs(2)) << cut;
    EXPECT_EQ(peer.device.held[0]->iso_packets[1].offset, 16U) << cut;
    EXPECT_TRUE(std::ranges::equal(peer.device.held[0]->data(), data)) << cut;
  }
}

}  // namespace
}  // namespace periprox::session
