#include "periprox/session/ring_server.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "periprox/session/devlist_client.hpp"
#include "periprox/session/ring_testing.hpp"

namespace periprox::session::testing {
namespace {

using ring::Kind;
using std::chrono::seconds;
using usb::Status;

constexpr std::uint64_t kPlace = 64 << 10;  // Somewhere in the arena.

std::int32_t wire_status(Status status) { return usbip::encode_status(status); }

// ---- Joining
// ----------------------------------------------------------------------------------------

TEST(RingServer, FormatsTheMemoryAndIsReady) {
  RingServerPeer peer;
  const auto& control = peer.memory.control();
  EXPECT_EQ(ring::decode_header(control.header.load(), peer.memory.bytes.size()), peer.layout);
  EXPECT_EQ(control.exporter.state, code(ring::ExporterState::Ready));
  EXPECT_NE(control.exporter.epoch, 0U);
}

TEST(RingServer, AnswersAnImporterThatJoins) {
  RingServerPeer peer;
  peer.join(77);
  EXPECT_EQ(peer.memory.control().exporter.answers, 77U);
  EXPECT_EQ(peer.memory.control().exporter.state, code(ring::ExporterState::Connected));
  EXPECT_TRUE(peer.server.must_ring_doorbell());
}

TEST(RingServer, DoesNotJoinTheDeadImporterOfTheSessionBefore) {
  RingServerPeer peer;
  peer.join(77);
  peer.memory.control().importer.state = code(ring::ImporterState::Joining);
  RingServer next(peer.memory, peer.layout, peer.exports, "next", kRingStart);
  next.poll(kRingStart);
  EXPECT_FALSE(next.is_joined());
  peer.memory.control().importer.epoch = 78;
  next.poll(kRingStart);
  EXPECT_TRUE(next.is_joined());
}

TEST(RingServer, EndsWhenTheImporterLeaves) {
  RingServerPeer peer;
  peer.open();
  peer.submit(1, kBulkIn, 512);
  peer.memory.control().importer.state = code(ring::ImporterState::Left);
  peer.settle();
  EXPECT_FALSE(peer.alive());
  EXPECT_FALSE(peer.server.failure());
  EXPECT_EQ(peer.device.cancels, 1U);
  EXPECT_EQ(peer.memory.control().exporter.state, code(ring::ExporterState::Ended));
}

TEST(RingServer, EndsWhenAnotherImporterJoins) {
  RingServerPeer peer;
  peer.open();
  peer.memory.control().importer.epoch = 78;
  peer.settle();
  EXPECT_FALSE(peer.alive());
  EXPECT_EQ(peer.server.failure()->kind, Error::Kind::Gone);
}

TEST(RingServer, EndsWhenTheHeartbeatStops) {
  RingServerPeer peer;
  peer.open();
  peer.now += seconds(4);
  peer.memory.control().importer.heartbeat = 5;
  peer.settle();
  peer.now += seconds(4);
  peer.settle();
  EXPECT_TRUE(peer.alive());
  peer.now += seconds(1);
  peer.settle();
  EXPECT_FALSE(peer.alive());
}

TEST(RingServer, ShowsThatItLives) {
  RingServerPeer peer;
  peer.settle();
  const auto before = peer.memory.control().exporter.heartbeat.load();
  peer.now = peer.server.wake_at().value();
  peer.settle();
  EXPECT_EQ(peer.memory.control().exporter.heartbeat, before + 1);
}

TEST(RingServer, DoesNotWaitForEverForAnImporterThatAsksForNothing) {
  RingServerPeer peer;
  peer.join();
  for (int i = 0; i < 15; ++i) {
    peer.now += seconds(1);
    peer.memory.control().importer.heartbeat.fetch_add(1);
    peer.settle();
  }
  EXPECT_FALSE(peer.alive());
}

TEST(RingServer, IsNotFinishedBeforeTheDeviceHasGivenEverythingBack) {
  RingServerPeer peer;
  peer.open();
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.submit(1, kBulkIn, 512, kPlace);
  peer.server.close();
  EXPECT_TRUE(peer.alive());
  peer.device.complete_cancelled();
  EXPECT_FALSE(peer.alive());
  EXPECT_TRUE(peer.take().empty());
}

TEST(RingServer, DestroyedWithUrbsAtTheDeviceItKeepsTheirMemory) {
  RingServerPeer peer;
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  auto memory = make_ring_memory();
  {
    auto server = std::make_unique<RingServer>(memory, peer.layout, peer.exports, "x", kRingStart);
    RingPort port(memory, peer.layout, RingPort::Side::Importer);
    memory.control().importer.epoch = 1;
    memory.control().importer.state = code(ring::ImporterState::Joining);
    server->poll(kRingStart);
    port.put({.kind = static_cast<std::uint16_t>(Kind::Import),
              .length = std::uint32_t{4096},
              .busid = usbip::make_name<usbip::kBusIdSize>("1-1")});
    server->poll(kRingStart);
    port.put(RingServerPeer::submit_entry(1, kBulkIn, 8192));
    server->poll(kRingStart);
  }
  ASSERT_EQ(peer.device.held.size(), 1U);
  memory = {};
  peer.device.complete(0, pattern(8192));  // Into memory that is still there.
  EXPECT_EQ(peer.exports.released, 1);
}

// ---- Asking
// -----------------------------------------------------------------------------------------

TEST(RingServer, ListsDevices) {
  RingServerPeer peer;
  peer.exports.listed = {{usbip::encode_device(test_address(), test_model()), {{0xff, 0, 0}}}};
  peer.join();
  peer.ask(Kind::List);
  const auto answers = peer.take();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(ring::kind_of(answers[0]), Kind::Listed);
  const auto listed = parse_devlist(peer.arena(0, answers[0].actual_length)).value();
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(usbip::name_in(listed[0].record.busid), "1-1");
}

TEST(RingServer, SaysWhenAListDoesNotFit) {
  RingServerPeer peer;
  peer.join();
  peer.ask(Kind::List, {}, 4);
  const auto answers = peer.take();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, wire_status(Status::TooLarge));
  EXPECT_EQ(answers[0].actual_length, 0U);
}

TEST(RingServer, ImportsADevice) {
  RingServerPeer peer;
  peer.join();
  peer.ask(Kind::Import, "1-1");
  const auto answers = peer.take();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(ring::kind_of(answers[0]), Kind::Imported);
  EXPECT_EQ(answers[0].tag, 5U);
  const auto reply = read_as<usbip::ImportReply>(peer.arena(0, sizeof(usbip::ImportReply)));
  EXPECT_EQ(reply->header.status, 0U);
  EXPECT_EQ(reply->device.idVendor, 0x1209);
  EXPECT_NE(peer.server.lease(), nullptr);
}

TEST(RingServer, RefusesAnUnknownDeviceAndMayBeAskedAgain) {
  RingServerPeer peer;
  peer.join();
  peer.ask(Kind::Import, "9-9");
  ASSERT_EQ(peer.take().size(), 1U);
  const auto header = read_as<usbip::OpHeader>(peer.arena(0, sizeof(usbip::OpHeader)));
  EXPECT_EQ(header->status, static_cast<std::uint32_t>(usbip::OpStatus::NoSuchDevice));
  peer.ask(Kind::Import, "1-1");
  EXPECT_NE(peer.server.lease(), nullptr);
}

// ---- URBs
// -------------------------------------------------------------------------------------------

TEST(RingServer, LargeInDataIsWrittenInPlace) {
  RingServerPeer peer;
  peer.open();
  peer.submit(1, kBulkIn, 65536, kPlace);
  ASSERT_EQ(peer.device.held.size(), 1U);
  EXPECT_EQ(peer.device.held[0]->payload.data(), peer.arena(kPlace, 1).data());
  peer.device.complete(0, pattern(60000));
  const auto answers = peer.take();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].actual_length, 60000U);
  EXPECT_TRUE(std::ranges::equal(peer.arena(kPlace, 60000), pattern(60000)));
}

TEST(RingServer, LargeOutDataIsReadInPlace) {
  RingServerPeer peer;
  peer.open();
  std::ranges::copy(pattern(65536), peer.arena(kPlace, 65536).begin());
  peer.submit(1, kBulkOut, 65536, kPlace);
  ASSERT_EQ(peer.device.held.size(), 1U);
  EXPECT_EQ(peer.device.held[0]->payload.data(), peer.arena(kPlace, 1).data());
}

TEST(RingServer, SmallOutDataCannotBeChangedOnceItIsChecked) {
  RingServerPeer peer;
  peer.open();
  std::ranges::copy(pattern(31), peer.arena(kPlace, 31).begin());
  peer.submit(1, kBulkOut, 31, kPlace);
  std::ranges::fill(peer.arena(kPlace, 31), std::byte{0});
  EXPECT_TRUE(std::ranges::equal(peer.device.held[0]->data(), pattern(31)));
}

TEST(RingServer, DataOfADeviceWithMemoryOfItsOwnArrivesToo) {
  RingServerPeer peer;
  peer.open();
  peer.submit(1, kBulkIn, 512, kPlace);
  auto urb = peer.device.take();
  urb->payload = peer.device.allocate(512);
  std::ranges::copy(pattern(512), urb->payload.data());
  urb.complete(Status::Ok, 512);
  EXPECT_EQ(peer.take().at(0).actual_length, 512U);
  EXPECT_TRUE(std::ranges::equal(peer.arena(kPlace, 512), pattern(512)));
}

TEST(RingServer, CarriesWhatUsbipCannot) {
  RingServerPeer peer;
  peer.open();
  auto entry = RingServerPeer::submit_entry(1, kBulkIn, 512, kPlace);
  entry.stream_id = std::uint16_t{9};
  entry.flags = ring::kFlagShortNotOk;
  peer.put(entry);
  EXPECT_EQ(peer.device.held[0]->stream_id, 9);
  EXPECT_TRUE(peer.device.held[0]->flags.short_not_ok);
}

TEST(RingServer, PassesAResetOn) {
  RingServerPeer peer;
  peer.open();
  auto entry = RingServerPeer::submit_entry(1, kControl, 0);
  entry.setup = usb::SetupPacket::port_reset();
  peer.put(entry);
  EXPECT_TRUE(peer.device.held.at(0)->setup.is_port_reset());
}

TEST(RingServer, RefusesControlThatContradictsItself) {
  RingServerPeer peer;
  peer.open();
  auto entry = RingServerPeer::submit_entry(1, usb::EndpointAddress(0x80), 18, kPlace);
  entry.setup = usb::SetupPacket::get_descriptor(1, 0, 64);
  peer.put(entry);
  EXPECT_EQ(peer.take().at(0).status, wire_status(Status::BadLength));
}

TEST(RingServer, KillsAnUrbToAnEndpointThatIsNotThere) {
  RingServerPeer peer;
  peer.open();
  peer.submit(1, kMissing, 512, kPlace);
  EXPECT_EQ(peer.take().at(0).status, wire_status(Status::Killed));
  EXPECT_TRUE(peer.alive());
}

TEST(RingServer, CancelsOnceAndAnswersOnce) {
  RingServerPeer peer;
  peer.open();
  peer.device.on_cancel = FakeDevice::OnCancel::CompleteLater;
  peer.submit(1, kBulkIn, 512, kPlace);
  peer.cancel(1);
  peer.cancel(1);
  EXPECT_EQ(peer.device.cancels, 1U);
  EXPECT_TRUE(peer.take().empty());
  peer.device.complete_cancelled();
  const auto answers = peer.take();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, wire_status(Status::Cancelled));
}

TEST(RingServer, ACancelThatLosesTheRaceDeliversTheResult) {
  RingServerPeer peer;
  peer.open();
  peer.device.on_cancel = FakeDevice::OnCancel::RealResult;
  peer.device.real_result = pattern(100);
  peer.submit(1, kBulkIn, 512, kPlace);
  peer.cancel(1);
  EXPECT_EQ(peer.take().at(0).actual_length, 100U);
}

TEST(RingServer, IgnoresACancelOfSomethingDone) {
  RingServerPeer peer;
  peer.open();
  peer.cancel(1);
  peer.cancel(0x00050001);
  EXPECT_TRUE(peer.alive());
  EXPECT_EQ(peer.device.cancels, 0U);
}

TEST(RingServer, AnswersIsochronousPacketsInTheirTable) {
  RingServerPeer peer;
  peer.open();
  const std::uint64_t table = kPlace + 8192;
  const ring::Packet packets[2] = {{.length = std::uint32_t{100}},
                                   {.offset = std::uint32_t{200}, .length = std::uint32_t{100}}};
  std::memcpy(peer.arena(table, sizeof(packets)).data(), packets, sizeof(packets));
  auto entry = RingServerPeer::submit_entry(1, kIsoIn, 300, kPlace);
  entry.packets = std::uint32_t{2};
  entry.packet_table = table;
  peer.put(entry);
  auto urb = peer.device.take();
  ASSERT_EQ(urb->iso_packets.size(), 2U);
  EXPECT_EQ(urb->iso_packets[1].offset, 200U);
  urb->payload.data()[200] = std::byte{0x42};
  urb->iso_packets[1].actual_length = 50;
  urb->iso_packets[0].status = Status::CrcError;
  urb.complete(Status::Ok, 50);
  const auto answer = peer.take().at(0);
  EXPECT_EQ(answer.actual_length, 50U);
  EXPECT_EQ(answer.error_count, 1U);
  const auto second = read_as<ring::Packet>(peer.arena(table + 16, 16));
  EXPECT_EQ(second->actual_length, 50U);
  EXPECT_EQ(peer.arena(kPlace + 200, 1)[0], std::byte{0x42});
}

TEST(RingServer, TellsInOrderWhenTheDeviceIsGone) {
  RingServerPeer peer;
  peer.open();
  peer.submit(1, kBulkIn, 512, kPlace);
  peer.device.go_away();
  const auto answers = peer.take();
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].status, wire_status(Status::DeviceGone));
  EXPECT_EQ(ring::kind_of(answers[1]), Kind::LinkNow);
  EXPECT_EQ(answers[1].value, static_cast<std::uint32_t>(ring::LinkState::Disconnected));
  peer.now += seconds(1);
  peer.settle();
  EXPECT_FALSE(peer.alive());
}

TEST(RingServer, AnswersALinkRequestWithTheStateItHas) {
  RingServerPeer peer;
  peer.open();
  peer.put({.kind = static_cast<std::uint16_t>(Kind::Link), .value = std::uint32_t{3}});
  const auto answers = peer.take();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].value, static_cast<std::uint32_t>(ring::LinkState::U0));
}

TEST(RingServer, KeepsAnswersThatTheRingHasNoRoomFor) {
  RingServerPeer peer;
  peer.open();
  for (std::uint32_t tag = 0; tag < kTestEntries; ++tag) peer.submit(tag, kBulkIn, 0);
  peer.device.go_away();  // One answer more than the ring has places.
  EXPECT_EQ(peer.take().size(), kTestEntries);
  EXPECT_EQ(peer.take().size(), 1U);
}

TEST(RingServer, ReadsNothingFromAnImporterThatTakesNoAnswers) {
  RingServerPeer peer;
  peer.open();
  for (std::uint32_t i = 0; i < 3 * kTestEntries && peer.port.has_room(); ++i) {
    peer.put({.kind = static_cast<std::uint16_t>(Kind::Link)});
  }
  EXPECT_FALSE(peer.port.has_room());
  EXPECT_TRUE(peer.alive());
  EXPECT_EQ(peer.take().size(), kTestEntries);
}

// ---- Hostile importers
// ------------------------------------------------------------------------------

/// Puts an entry that no sound importer puts: the session ends, and says why.
void expect_fault(RingServerPeer& peer, const ring::Entry& entry) {
  peer.put(entry);
  EXPECT_FALSE(peer.alive());
  ASSERT_TRUE(peer.server.failure());
  EXPECT_EQ(peer.server.failure()->kind, Error::Kind::Malformed);
  EXPECT_FALSE(peer.server.failure()->why.empty());
}

TEST(RingServer, EndsUponAPayloadOutsideTheArena) {
  RingServerPeer peer;
  peer.open();
  expect_fault(peer, RingServerPeer::submit_entry(1, kBulkIn, 512, peer.layout.arena_size - 511));
}

TEST(RingServer, EndsUponAPayloadWhoseEndWraps) {
  RingServerPeer peer;
  peer.open();
  expect_fault(peer, RingServerPeer::submit_entry(1, kBulkOut, 512,
                                                  std::numeric_limits<std::uint64_t>::max() - 5));
}

TEST(RingServer, EndsUponAPacketTableOutsideTheArena) {
  RingServerPeer peer;
  peer.open();
  auto entry = RingServerPeer::submit_entry(1, kIsoIn, 100);
  entry.packets = std::uint32_t{1024};
  entry.packet_table = peer.layout.arena_size - 16;
  expect_fault(peer, entry);
}

TEST(RingServer, EndsUponTooManyPackets) {
  RingServerPeer peer;
  peer.open();
  auto entry = RingServerPeer::submit_entry(1, kIsoIn, 100);
  entry.packets = std::uint32_t{1025};
  expect_fault(peer, entry);
}

TEST(RingServer, EndsUponASlotThatIsTaken) {
  RingServerPeer peer;
  peer.open();
  peer.submit(1, kBulkIn, 512);
  expect_fault(peer, RingServerPeer::submit_entry(0x00010001, kBulkIn, 512));
}

TEST(RingServer, EndsUponASlotThatDoesNotExist) {
  RingServerPeer peer;
  peer.open();
  expect_fault(peer, RingServerPeer::submit_entry(kTestEntries, kBulkIn, 512));
}

TEST(RingServer, EndsUponASubmitBeforeAnImport) {
  RingServerPeer peer;
  peer.join();
  expect_fault(peer, RingServerPeer::submit_entry(1, kBulkIn, 512));
}

TEST(RingServer, EndsUponAnUnknownKind) {
  RingServerPeer peer;
  peer.open();
  expect_fault(peer, {.kind = std::uint16_t{0x81}});
}

TEST(RingServer, EndsUponABusIdWithoutEnd) {
  RingServerPeer peer;
  peer.join();
  ring::Entry entry{.kind = static_cast<std::uint16_t>(Kind::Import)};
  entry.busid.fill('1');
  expect_fault(peer, entry);
}

TEST(RingServer, EndsUponATailThatRunsBackwards) {
  RingServerPeer peer;
  peer.open();
  peer.memory.control().submissions_in.tail = 0;
  peer.settle();
  EXPECT_FALSE(peer.alive());
  EXPECT_EQ(peer.server.failure()->kind, Error::Kind::Malformed);
}

TEST(RingServer, IsNotConfusedByAHeaderThatChanges) {
  RingServerPeer peer;
  peer.open();
  std::ranges::fill(peer.memory.bytes.first(64), std::byte{0xff});
  peer.submit(1, kBulkIn, 512, kPlace);
  peer.device.complete(0, pattern(512));
  EXPECT_EQ(peer.take().at(0).actual_length, 512U);
}

}  // namespace
}  // namespace periprox::session::testing
