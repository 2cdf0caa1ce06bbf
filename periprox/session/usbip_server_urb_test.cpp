// The URB phase of a server session: SUBMITs and their answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/session/server_testing.hpp"
#include "periprox/usb/status.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using usb::Status;

constexpr std::int32_t kKiB = 1024;

std::vector<std::uint32_t> seqnums(const std::vector<Reply>& replies) {
  std::vector<std::uint32_t> numbers;
  for (const auto& reply : replies) numbers.push_back(reply.seqnum);
  return numbers;
}

// ---- Transfers
// ------------------------------------------------------------------------------------------

TEST(UsbipServer, GivesAnInUrbToTheDevice) {
  ServerPeer peer;
  peer.submit({.seqnum = 7, .endpoint = kBulkIn, .length = 512, .flags = 0x201});
  ASSERT_THAT(peer.device.held, SizeIs(1));
  const auto& urb = *peer.device.held[0];
  EXPECT_EQ(urb.endpoint, kBulkIn);
  EXPECT_EQ(urb.type, usb::TransferType::Bulk);
  EXPECT_EQ(urb.length, 512U);
  EXPECT_TRUE(urb.flags.short_not_ok);
  EXPECT_FALSE(urb.flags.zero_packet);
}

TEST(UsbipServer, GivesAnOutUrbToTheDevice) {
  ServerPeer peer;
  peer.submit({.seqnum = 7, .endpoint = kBulkOut, .length = 31, .flags = 0x40}, pattern(31));
  ASSERT_THAT(peer.device.held, SizeIs(1));
  const auto& urb = *peer.device.held[0];
  EXPECT_EQ(urb.endpoint, kBulkOut);
  EXPECT_TRUE(urb.flags.zero_packet);
  EXPECT_TRUE(std::ranges::equal(urb.data(), pattern(31)));
}

TEST(UsbipServer, GivesTheIntervalOfAnInterruptUrbToTheDevice) {
  ServerPeer peer;
  peer.submit({.seqnum = 7, .endpoint = kInterruptIn, .length = 8, .interval = 4});
  EXPECT_EQ(peer.device.held[0]->type, usb::TransferType::Interrupt);
  EXPECT_EQ(peer.device.held[0]->interval, 4U);
}

TEST(UsbipServer, TakesANegativeIntervalForNone) {
  ServerPeer peer;
  peer.submit({.seqnum = 7, .endpoint = kInterruptIn, .length = 8, .interval = -5});
  EXPECT_EQ(peer.device.held[0]->interval, 0U);
}

TEST(UsbipServer, AnswersInWithData) {
  ServerPeer peer;
  peer.in(7, 512);
  peer.device.complete(0, pattern(512));
  const auto reply = peer.reply();
  EXPECT_TRUE(reply.is_submit());
  EXPECT_EQ(reply.seqnum, 7U);
  EXPECT_EQ(reply.status, 0);
  EXPECT_EQ(reply.actual_length, 512);
  EXPECT_EQ(reply.data, pattern(512));
}

TEST(UsbipServer, AnswersOutWithoutPayload) {
  ServerPeer peer;
  peer.out(7, pattern(31));
  peer.device.complete();
  const auto written = collect(peer.server);
  ASSERT_EQ(written.size(), 48U);
  EXPECT_EQ(read_as<usbip::RetSubmit>(written)->actual_length, 31);
}

TEST(UsbipServer, AnswersOutWithoutPayloadEvenWhenTheDeviceLeftSome) {
  ServerPeer peer;
  peer.out(7, pattern(31));
  auto urb = peer.device.take();
  urb->payload = peer.device.allocate(4096);
  urb.complete(Status::Ok, 31);
  EXPECT_EQ(collect(peer.server).size(), 48U);
}

TEST(UsbipServer, AnswersShortInWithWhatCame) {
  ServerPeer peer;
  peer.in(7, 512);
  peer.device.complete(0, pattern(13));
  EXPECT_EQ(peer.reply().data, pattern(13));
}

TEST(UsbipServer, SendsDataAlongWithAnError) {
  ServerPeer peer;
  peer.in(7, 512);
  peer.device.complete(0, pattern(13), Status::ShortTransfer);
  const auto reply = peer.reply();
  EXPECT_EQ(reply.status, -121);
  EXPECT_EQ(reply.data, pattern(13));
}

TEST(UsbipServer, DoesNotBelieveADeviceThatMovedMoreThanWasAsked) {
  ServerPeer peer;
  peer.in(7, 16);
  auto urb = peer.device.take();
  urb->payload = peer.device.allocate(4096);
  urb.complete(Status::Ok, 4096);
  EXPECT_EQ(peer.reply().actual_length, 16);
}

TEST(UsbipServer, DoesNotBelieveADeviceThatGaveNoMemory) {
  ServerPeer peer;
  peer.in(7, 16);
  peer.device.take().complete(Status::Ok, 16);
  EXPECT_EQ(peer.reply().actual_length, 0);
}

TEST(UsbipServer, AnswersAStallAndGoesOn) {
  ServerPeer peer;
  peer.in(1, 64);
  peer.device.complete(0, {}, Status::Stalled);
  EXPECT_EQ(peer.reply().status, -32);
  peer.in(2, 64);
  peer.device.complete(0, pattern(64));
  EXPECT_EQ(peer.reply().data, pattern(64));
}

TEST(UsbipServer, AnswersWithinSubmitWhenTheDeviceDoes) {
  ServerPeer peer;
  peer.device.on_submit = [&](usb::Urb urb) {
    complete_in(peer.device, std::move(urb), pattern(8));
  };
  peer.send(cmd_in(1, 8) + cmd_in(2, 8) + cmd_in(3, 8));
  for (std::uint32_t i = 1; i <= 3; ++i) peer.expect(i, kBulkIn);
  EXPECT_EQ(seqnums(peer.replies()), (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(peer.server.pending(), 0U);
}

TEST(UsbipServer, WakesThePumpOnlyForCompletionsOutsideItsCalls) {
  ServerPeer peer;
  peer.device.on_submit = [&](usb::Urb urb) {
    complete_in(peer.device, std::move(urb), pattern(8));
  };
  peer.in(1, 8);
  EXPECT_EQ(peer.waker.wakes, 0U);
  peer.device.on_submit = {};
  peer.in(2, 8);
  peer.device.complete(0, pattern(8));
  EXPECT_EQ(peer.waker.wakes, 1U);
}

TEST(UsbipServer, KeepsTheOrderOfCompletions) {
  ServerPeer peer;
  for (std::uint32_t i = 1; i <= 5; ++i) peer.in(i, 8, i % 2 == 0 ? kBulkIn : kInterruptIn);
  peer.device.complete(1);  // 2
  peer.device.complete(0);  // 1
  peer.device.complete(1);  // 4
  peer.device.complete(0);  // 3
  peer.device.complete(0);  // 5
  EXPECT_EQ(seqnums(peer.replies()), (std::vector<std::uint32_t>{2, 1, 4, 3, 5}));
}

TEST(UsbipServer, TakesSeqnumsThatStartAnywhere) {
  ServerPeer peer;
  peer.in(0xffffffff, 8);
  peer.in(0, 8);
  peer.in(0x80000000, 8);
  EXPECT_THAT(peer.device.held, SizeIs(3));
  peer.device.complete(0);
  EXPECT_EQ(peer.reply().seqnum, 0xffffffffU);
}

TEST(UsbipServer, TakesTheSeqnumOfAFinishedUrbAgain) {
  ServerPeer peer;
  peer.in(5, 8);
  peer.device.complete();
  peer.in(5, 8);
  peer.device.complete();
  EXPECT_EQ(seqnums(peer.replies()), (std::vector<std::uint32_t>{5, 5}));
}

TEST(UsbipServer, EndsOnASeqnumThatIsPending) {
  ServerPeer peer;
  peer.in(5, 8);
  peer.in(5, 8);
  EXPECT_TRUE(peer.server.finished());
  EXPECT_THAT(peer.server.failure()->why, HasSubstr("seqnum 5 is pending already"));
  EXPECT_THAT(peer.server.failure()->what, HasSubstr("offset 48"));
}

TEST(UsbipServer, EndsOnAnotherDevicesId) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .devid = kDevid + 1});
  EXPECT_TRUE(peer.server.finished());
  EXPECT_THAT(peer.server.failure()->why, HasSubstr("device id"));
}

TEST(UsbipServer, EndsOnAReplyFromAClient) {
  ServerPeer peer;
  auto bytes = cmd_in(1, 8);
  bytes[3] = std::byte{3};
  peer.send(bytes);
  EXPECT_TRUE(peer.server.finished());
  EXPECT_THAT(peer.server.failure()->why, HasSubstr("command 3"));
}

TEST(UsbipServer, EndsOnAnUnknownCommand) {
  ServerPeer peer;
  auto bytes = cmd_in(1, 8);
  bytes[0] = std::byte{0xff};
  peer.send(bytes);
  EXPECT_TRUE(peer.server.finished());
  EXPECT_EQ(peer.server.failure()->kind, Error::Kind::Malformed);
}

TEST(UsbipServer, EndsOnADirectionThatDoesNotExist) {
  ServerPeer peer;
  auto bytes = cmd_in(1, 8);
  bytes[15] = std::byte{2};
  peer.send(bytes);
  EXPECT_TRUE(peer.server.finished());
  EXPECT_TRUE(peer.server.failure());
}

TEST(UsbipServer, EndsOnAnEndpointNumberThatDoesNotExist) {
  ServerPeer peer;
  auto bytes = cmd_in(1, 8);
  bytes[19] = std::byte{0x81};
  peer.send(bytes);
  EXPECT_TRUE(peer.server.finished());
  EXPECT_TRUE(peer.server.failure());
}

TEST(UsbipServer, ReadsNothingAfterAMalformedMessage) {
  ServerPeer peer;
  auto bytes = cmd_in(1, 8);
  bytes[0] = std::byte{0xff};
  peer.send(bytes + cmd_in(2, 8));
  EXPECT_EQ(peer.device.submitted, 0U);
  EXPECT_TRUE(peer.server.receive_into().empty());
}

// ---- Splits and sizes
// -----------------------------------------------------------------------------------

TEST(UsbipServer, TakesAStreamCutAnywhere) {
  const auto stream =
      cmd_in(1, 8) + cmd_out(2, pattern(60)) + cmd_unlink(3, 1) + cmd_out(4, pattern(5));
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    ServerPeer peer;
    peer.send(Bytes(stream).first(cut));
    peer.send(Bytes(stream).subspan(cut));
    ASSERT_THAT(peer.device.held, SizeIs(2)) << cut;
    EXPECT_TRUE(std::ranges::equal(peer.device.held[0]->data(), pattern(60))) << cut;
    EXPECT_TRUE(std::ranges::equal(peer.device.held[1]->data(), pattern(5))) << cut;
  }
}

TEST(UsbipServer, TakesAStreamByteByByte) {
  ServerPeer peer;
  peer.send(cmd_in(1, 8) + cmd_out(2, pattern(60)) + cmd_out(3, pattern(5000)), 1);
  ASSERT_THAT(peer.device.held, SizeIs(3));
  EXPECT_TRUE(std::ranges::equal(peer.device.held[2]->data(), pattern(5000)));
}

TEST(UsbipServer, ReadsALargeOutStraightIntoTheDevicesMemory) {
  ServerPeer peer;
  const auto data = pattern(100 * kKiB);
  const auto cmd = cmd_out(1, data);
  peer.send(Bytes(cmd).first(48));
  const auto* place = peer.server.receive_into().front().data();
  peer.send(Bytes(cmd).subspan(48));
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_EQ(peer.device.held[0]->payload.data(), place);
}

TEST(UsbipServer, ReadsOnlyAHeaderAfterALargeOut) {
  ServerPeer peer;
  peer.out(1, pattern(100 * kKiB));
  const auto places = peer.server.receive_into();
  ASSERT_THAT(places, SizeIs(1));
  EXPECT_EQ(places[0].size(), usbip::kHeaderSize);
}

void moves_out_of(std::size_t size) {
  ServerPeer peer;
  const auto data = pattern(size);
  ASSERT_EQ(peer.out(1, data), 48 + size);
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_TRUE(std::ranges::equal(peer.device.held[0]->data(), data));
  peer.device.complete();
  EXPECT_EQ(peer.reply().actual_length, static_cast<std::int32_t>(size));
}

void moves_in_of(std::size_t size) {
  ServerPeer peer;
  const auto data = pattern(size);
  peer.in(1, static_cast<std::int32_t>(size));
  peer.device.complete(0, data);
  EXPECT_EQ(peer.reply().data, data);
}

TEST(UsbipServerSize, Out0) { moves_out_of(0); }
TEST(UsbipServerSize, Out1) { moves_out_of(1); }
TEST(UsbipServerSize, Out16KiB) { moves_out_of(16 * kKiB); }
TEST(UsbipServerSize, Out16KiBAndOne) { moves_out_of(16 * kKiB + 1); }
TEST(UsbipServerSize, Out1MiB) { moves_out_of(1024 * kKiB); }
TEST(UsbipServerSize, Out1224KiB) { moves_out_of(1224 * kKiB); }
TEST(UsbipServerSize, Out16MiB) { moves_out_of(16 * 1024 * kKiB); }
TEST(UsbipServerSize, In0) { moves_in_of(0); }
TEST(UsbipServerSize, In1) { moves_in_of(1); }
TEST(UsbipServerSize, In16KiB) { moves_in_of(16 * kKiB); }
TEST(UsbipServerSize, In1MiB) { moves_in_of(1024 * kKiB); }
TEST(UsbipServerSize, In1224KiB) { moves_in_of(1224 * kKiB); }
TEST(UsbipServerSize, In16MiB) { moves_in_of(16 * 1024 * kKiB); }

TEST(UsbipServerSize, AnswersANegativeInLengthAndGoesOn) {
  ServerPeer peer;
  peer.in(1, -1);
  EXPECT_EQ(peer.reply().status, -22);
  peer.in(2, 8);
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

TEST(UsbipServerSize, EndsOnANegativeOutLength) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kBulkOut, .length = INT32_MIN});
  EXPECT_TRUE(peer.server.finished());
  EXPECT_EQ(peer.server.failure()->kind, Error::Kind::Malformed);
}

TEST(UsbipServerSize, AnswersAHugeInLengthWithNoMemory) {
  ServerPeer peer;
  peer.in(1, INT32_MAX);
  EXPECT_EQ(peer.reply().status, -12);
  EXPECT_EQ(peer.device.submitted, 0U);
}

TEST(UsbipServerSize, AnswersAHugeOutWithNoMemoryAndReadsItAway) {
  ServerPeer peer({.memory = 1 << 20, .transfer = 64 * 1024});
  peer.out(1, pattern(64 * kKiB + 1));
  EXPECT_EQ(peer.reply().status, -12);
  peer.out(2, pattern(8));
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_TRUE(std::ranges::equal(peer.device.held[0]->data(), pattern(8)));
}

TEST(UsbipServerSize, AnswersNoMemoryWhenTheDeviceHasNoneForOut) {
  ServerPeer peer;
  peer.device.out_of_memory = true;
  peer.out(1, pattern(100));
  EXPECT_EQ(peer.reply().status, -12);
  peer.device.out_of_memory = false;
  peer.out(2, pattern(8));
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

// ---- number_of_packets of what is not isochronous
// --------------------------------------------------------

void mirrors_packets(std::int32_t packets, usb::EndpointAddress endpoint,
                     const usb::SetupPacket& setup = {}) {
  ServerPeer peer;
  peer.submit({.seqnum = 1,
               .endpoint = endpoint,
               .length = setup.wLength,
               .packets = packets,
               .setup = setup});
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_THAT(peer.device.held[0]->iso_packets, IsEmpty());
  peer.device.complete();
  EXPECT_EQ(peer.reply().packets, packets);
  peer.in(2, 8);
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

TEST(UsbipServerPackets, MirrorsZeroOnBulk) { mirrors_packets(0, kBulkIn); }
TEST(UsbipServerPackets, MirrorsMinusOneOnBulk) { mirrors_packets(-1, kBulkIn); }
TEST(UsbipServerPackets, MirrorsGarbageOnBulk) { mirrors_packets(0x12345678, kBulkIn); }
TEST(UsbipServerPackets, MirrorsPlausibleGarbageOnBulkOut) { mirrors_packets(3, kBulkOut); }
TEST(UsbipServerPackets, MirrorsZeroOnInterrupt) { mirrors_packets(0, kInterruptIn); }
TEST(UsbipServerPackets, MirrorsMinusOneOnInterrupt) { mirrors_packets(-1, kInterruptIn); }
TEST(UsbipServerPackets, MirrorsGarbageOnInterruptOut) {
  mirrors_packets(INT32_MIN, kInterruptOut);
}
TEST(UsbipServerPackets, MirrorsMinusOneOnControl) {
  mirrors_packets(-1, usb::EndpointAddress(0x80), usb::SetupPacket::get_descriptor(1, 0, 18));
}
TEST(UsbipServerPackets, MirrorsGarbageOnControl) {
  mirrors_packets(1024, usb::EndpointAddress(0x80), usb::SetupPacket::get_descriptor(1, 0, 18));
}

// ---- Endpoints that are not there
// ------------------------------------------------------------------------

TEST(UsbipServer, AnswersAnUnknownInEndpointWithNoEntry) {
  ServerPeer peer;
  peer.in(1, 64, kMissing);
  EXPECT_EQ(peer.reply().status, -2);
  EXPECT_EQ(peer.device.submitted, 0U);
}

TEST(UsbipServer, ReadsThePayloadOfAnUnknownOutEndpointAway) {
  ServerPeer peer;
  peer.out(1, pattern(10'000), usb::EndpointAddress(0x0b));
  EXPECT_EQ(peer.reply().status, -2);
  peer.out(2, pattern(8));
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_TRUE(std::ranges::equal(peer.device.held[0]->data(), pattern(8)));
}

TEST(UsbipServer, ReadsTheDescriptorsOfAnEndpointOfAnotherSettingAway) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kIsoInOfSetting1, .length = 1024, .packets = 2}, {},
              iso_layout(2, 512));
  EXPECT_EQ(peer.reply().status, -2);
  peer.in(2, 8);
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

TEST(UsbipServer, ReadsTheDescriptorsOfAnEndpointOfNoSettingAway) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kMissing, .length = 1024, .packets = 2}, {},
              iso_layout(2, 512));
  EXPECT_EQ(peer.reply().status, -2);
  peer.in(2, 8);
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

TEST(UsbipServer, TakesAnUnknownEndpointWithGarbagePacketsForBulk) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kMissing, .length = 64, .packets = -1});
  EXPECT_EQ(peer.reply().packets, -1);
  peer.in(2, 8);
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

TEST(UsbipServer, KnowsAnEndpointAsSoonAsItsSettingIsActive) {
  ServerPeer peer;
  peer.device.model_to_change().set_interface(1, 1);
  peer.submit({.seqnum = 1, .endpoint = kIsoInOfSetting1, .length = 1024, .packets = 2}, {},
              iso_layout(2, 512));
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_THAT(peer.device.held[0]->iso_packets, SizeIs(2));
}

TEST(UsbipServer, ServesControlOfADeviceThatIsNotConfigured) {
  auto model = test_model();
  model.set_configuration(0);
  ServerPeer peer({}, model);
  peer.submit({.seqnum = 1,
               .endpoint = usb::EndpointAddress(0x80),
               .length = 18,
               .setup = usb::SetupPacket::get_descriptor(1, 0, 18)});
  EXPECT_THAT(peer.device.held, SizeIs(1));
  peer.in(2, 8);
  EXPECT_EQ(peer.reply().status, -2);
}

// ---- Control
// ------------------------------------------------------------------------------------------------

constexpr usb::SetupPacket kVendorOut{
    .bmRequestType = 0x40, .bRequest = 1, .wLength = std::uint16_t{4}};

TEST(UsbipServerControl, GivesTheSetupPacketToTheDevice) {
  ServerPeer peer;
  const auto setup = usb::SetupPacket::get_descriptor(1, 0, 18);
  peer.submit({.seqnum = 1, .endpoint = usb::EndpointAddress(0x80), .length = 18, .setup = setup});
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_EQ(peer.device.held[0]->setup, setup);
  EXPECT_EQ(peer.device.held[0]->type, usb::TransferType::Control);
}

TEST(UsbipServerControl, GivesOutDataToTheDevice) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kControl, .length = 4, .setup = kVendorOut}, pattern(4));
  ASSERT_THAT(peer.device.held, SizeIs(1));
  EXPECT_TRUE(std::ranges::equal(peer.device.held[0]->data(), pattern(4)));
}

TEST(UsbipServerControl, RefusesALengthThatIsNotWLength) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kControl, .length = 5, .setup = kVendorOut}, pattern(5));
  EXPECT_EQ(peer.reply().status, -53);
  EXPECT_EQ(peer.device.submitted, 0U);
  peer.in(2, 8);
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

TEST(UsbipServerControl, RefusesInWhenTheSetupSaysOut) {
  ServerPeer peer;
  peer.submit(
      {.seqnum = 1, .endpoint = usb::EndpointAddress(0x80), .length = 4, .setup = kVendorOut});
  EXPECT_EQ(peer.reply().status, -22);
}

TEST(UsbipServerControl, RefusesOutWhenTheSetupSaysIn) {
  ServerPeer peer;
  peer.submit({.seqnum = 1,
               .endpoint = kControl,
               .length = 18,
               .setup = usb::SetupPacket::get_descriptor(1, 0, 18)},
              pattern(18));
  EXPECT_EQ(peer.reply().status, -22);
  peer.in(2, 8);
  EXPECT_THAT(peer.device.held, SizeIs(1));
}

TEST(UsbipServerControl, TakesARequestWithoutDataInEitherDirection) {
  ServerPeer peer;
  peer.submit({.seqnum = 1, .endpoint = kControl, .setup = usb::SetupPacket::set_configuration(1)});
  peer.submit({.seqnum = 2,
               .endpoint = usb::EndpointAddress(0x80),
               .setup = usb::SetupPacket::set_configuration(1)});
  EXPECT_THAT(peer.device.held, SizeIs(2));
}

void control_in_of(std::uint16_t length) {
  ServerPeer peer;
  const usb::SetupPacket setup{.bmRequestType = 0xc0, .bRequest = 1, .wLength = length};
  peer.submit(
      {.seqnum = 1, .endpoint = usb::EndpointAddress(0x80), .length = length, .setup = setup});
  ASSERT_THAT(peer.device.held, SizeIs(1));
  peer.device.complete(0, pattern(length));
  EXPECT_EQ(peer.reply().data, pattern(length));
}

TEST(UsbipServerControl, MovesNothing) { control_in_of(0); }
TEST(UsbipServerControl, Moves4096Bytes) { control_in_of(4096); }
TEST(UsbipServerControl, Moves65535Bytes) { control_in_of(65535); }

}  // namespace
}  // namespace periprox::session
