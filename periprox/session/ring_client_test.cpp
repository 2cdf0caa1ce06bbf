#include "periprox/session/ring_client.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "periprox/session/ring_testing.hpp"

namespace periprox::session::testing {
namespace {

using ring::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using usb::Status;

// ---- Joining
// ----------------------------------------------------------------------------------------

TEST(RingClient, AnnouncesItselfAndRings) {
  RingClientPeer peer;
  peer.client.poll(peer.now);
  EXPECT_EQ(peer.memory.control().importer.state, code(ring::ImporterState::Joining));
  EXPECT_EQ(peer.memory.control().importer.epoch, 77U);
  EXPECT_TRUE(peer.client.must_ring_doorbell());
}

TEST(RingClient, IsConnectedWhenItsOwnEpochIsAnswered) {
  RingClientPeer peer;
  peer.accept();
  EXPECT_EQ(peer.memory.control().importer.state, code(ring::ImporterState::Connected));
  EXPECT_EQ(peer.memory.control().importer.answers, 9U);
}

TEST(RingClient, IsNotConnectedByAnAnswerToAnother) {
  RingClientPeer peer;
  peer.client.poll(peer.now);
  peer.memory.control().exporter.answers = 76;
  peer.memory.control().exporter.state = code(ring::ExporterState::Connected);
  peer.settle();
  EXPECT_EQ(peer.memory.control().importer.state, code(ring::ImporterState::Joining));
}

TEST(RingClient, LeavesALivingImporterAlone) {
  RingClientPeer peer;
  peer.memory.control().importer.epoch = 5;
  peer.memory.control().importer.state = code(ring::ImporterState::Connected);
  peer.settle();
  peer.memory.control().importer.heartbeat = 1;
  peer.settle();
  EXPECT_EQ(peer.client.failure()->kind, Error::Kind::Busy);
  EXPECT_EQ(peer.memory.control().importer.epoch, 5U);
}

TEST(RingClient, FollowsADeadImporter) {
  RingClientPeer peer;
  peer.memory.control().importer.epoch = 5;
  peer.memory.control().importer.state = code(ring::ImporterState::Connected);
  peer.settle();
  peer.now += milliseconds(1250);
  peer.settle();
  EXPECT_EQ(peer.memory.control().importer.epoch, 77U);
}

TEST(RingClient, RefusesAHeaderThatMakesNoSense) {
  RingClientPeer peer;
  auto header = ring::encode_header(peer.layout);
  header.arena_size = std::uint64_t{1} << 60;
  peer.memory.control().header.store(header);
  peer.accept();
  EXPECT_EQ(peer.client.failure()->kind, Error::Kind::Malformed);
}

TEST(RingClient, ReadsTheDescriptorsOfWhatItImports) {
  RingClientPeer peer;
  peer.open();
  ASSERT_TRUE(peer.ready && *peer.ready);
  EXPECT_EQ(peer.client.model().descriptor().idVendor, 0x1209);
  EXPECT_EQ(peer.client.model().configuration_value(), 1);
}

TEST(RingClient, SaysWhenTheExporterRefuses) {
  RingClientPeer peer;
  peer.client.import("9-9", [&](Result<void> result) { peer.ready = std::move(result); });
  peer.accept();
  const auto question = peer.submission();
  EXPECT_EQ(usbip::name_in(question.busid), "9-9");
  const usbip::OpHeader reply{.code = std::uint16_t{3},
                              .status = static_cast<std::uint32_t>(usbip::OpStatus::DeviceBusy)};
  std::memcpy(peer.arena(question.payload, sizeof(reply)).data(), &reply, sizeof(reply));
  peer.put({.kind = static_cast<std::uint16_t>(Kind::Imported),
            .actual_length = static_cast<std::uint32_t>(sizeof(reply))});
  ASSERT_TRUE(peer.ready);
  EXPECT_EQ(peer.ready->error().kind, Error::Kind::Busy);
  EXPECT_TRUE(peer.alive());
}

TEST(RingClient, GivesUpAnExporterThatDoesNotAnswer) {
  RingClientPeer peer;
  peer.client.import("1-1", [&](Result<void> result) { peer.ready = std::move(result); });
  peer.client.poll(peer.now);
  peer.now += seconds(15);
  peer.client.poll(peer.now);
  ASSERT_TRUE(peer.ready);
  EXPECT_FALSE(*peer.ready);
  EXPECT_FALSE(peer.alive());
}

// ---- URBs
// -------------------------------------------------------------------------------------------

TEST(RingClient, LargeOutDataIsSentAsItLies) {
  RingClientPeer peer;
  peer.open();
  const auto sent = peer.out(kBulkOut, pattern(65536));
  EXPECT_EQ(sent.length, 65536U);
  EXPECT_TRUE(std::ranges::equal(peer.arena(sent.payload, 65536), pattern(65536)));
  peer.complete(sent, 65536);
  EXPECT_EQ(peer.done.outcomes.at(0).actual_length, 65536U);
}

TEST(RingClient, LargeInDataIsHandedOverAsItLies) {
  RingClientPeer peer;
  peer.open();
  const auto asked = peer.in(kBulkIn, 65536);
  peer.complete_in(asked, pattern(65536));
  EXPECT_EQ(peer.done.outcomes.at(0).data, pattern(65536));
}

TEST(RingClient, SmallDataCannotBeChangedOnceItIsThere) {
  RingClientPeer peer;
  peer.open();
  const auto asked = peer.in(kBulkIn, 512);
  peer.done.then = [&] { std::ranges::fill(peer.arena(asked.payload, 512), std::byte{0}); };
  peer.complete_in(asked, pattern(512));
  EXPECT_EQ(peer.done.outcomes.at(0).data, pattern(512));
}

TEST(RingClient, DataGoesToTheMemoryThatTheSubmitterBrings) {
  RingClientPeer peer;
  peer.open();
  PayloadPool pool;
  auto urb = make_in(peer.done, kBulkIn, 8192);
  urb->payload = pool.allocate(8192);
  const auto* const place = urb->payload.data();
  peer.client.submit(std::move(urb));
  const auto asked = peer.submission();
  bool is_there = false;
  peer.done.then = [&] { is_there = std::ranges::equal(std::span(place, 8192), pattern(8192)); };
  peer.complete_in(asked, pattern(8192));
  EXPECT_TRUE(is_there);
}

TEST(RingClient, WaitsForRoomInTheArenaInOrder) {
  RingClientPeer peer;
  peer.open();
  const std::uint32_t half = 400 << 10;
  const auto first = peer.in(kBulkIn, half);
  const auto second = peer.in(kBulkIn, half);
  peer.client.submit(make_in(peer.done, kBulkIn, half, usb::TransferType::Bulk, 3));
  peer.client.submit(make_in(peer.done, kBulkIn, 64, usb::TransferType::Bulk, 4));
  EXPECT_TRUE(peer.take().empty());
  // Another endpoint does not wait for this one.
  EXPECT_EQ(peer.in(kInterruptIn, 8, usb::TransferType::Interrupt).length, 8U);
  peer.complete(first, 0);
  const auto then = peer.take();
  ASSERT_EQ(then.size(), 2U);
  EXPECT_EQ(then[0].length, half);
  EXPECT_EQ(then[1].length, 64U);
  peer.complete(second, 0);
}

TEST(RingClient, OutDataIsTakenWhenTheArenaIsFull) {
  RingClientPeer peer;
  peer.open();
  const auto first = peer.in(kInterruptIn, 500 << 10, usb::TransferType::Interrupt);
  const auto second = peer.in(kInterruptIn, 450 << 10, usb::TransferType::Interrupt);
  peer.client.submit(make_out(peer.client, peer.done, kBulkOut, pattern(200 << 10)));
  EXPECT_TRUE(peer.take().empty());
  peer.complete(second, 0);
  const auto sent = peer.take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_TRUE(std::ranges::equal(peer.arena(sent[0].payload, 200 << 10), pattern(200 << 10)));
  peer.complete(first, 0);
}

TEST(RingClient, RefusesWhatCanNeverFit) {
  RingClientPeer peer;
  peer.open();
  peer.client.submit(make_in(peer.done, kBulkIn, 2 << 20));
  EXPECT_EQ(peer.done.outcomes.at(0).status, Status::NoMemory);
}

TEST(RingClient, CancelsOnceAndWaitsForTheAnswer) {
  RingClientPeer peer;
  peer.open();
  const auto asked = peer.in(kBulkIn, 512);
  peer.client.cancel(peer.handle);
  peer.client.cancel(peer.handle);
  const auto sent = peer.take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(ring::kind_of(sent[0]), Kind::Cancel);
  EXPECT_EQ(sent[0].tag, asked.tag);
  EXPECT_TRUE(peer.done.outcomes.empty());
  peer.complete(asked, 0, Status::Cancelled);
  EXPECT_EQ(peer.done.outcomes.at(0).status, Status::Cancelled);
}

TEST(RingClient, GivesACancelledUrbBackThatTheExporterKeeps) {
  RingClientPeer peer;
  peer.open();
  const auto asked = peer.in(kBulkIn, 8192);
  peer.client.cancel(peer.handle);
  peer.settle();
  peer.now += seconds(3);
  peer.memory.control().exporter.heartbeat.fetch_add(1);
  peer.settle();
  peer.now += seconds(2);
  peer.settle();
  ASSERT_EQ(peer.done.outcomes.size(), 1U);
  EXPECT_EQ(peer.done.outcomes[0].status, Status::Cancelled);
  // Its answer still comes, and is no mistake.
  peer.complete_in(asked, pattern(100));
  EXPECT_TRUE(peer.alive());
  EXPECT_EQ(peer.done.outcomes.size(), 1U);
}

TEST(RingClient, CancelsWhatWaitsAtOnce) {
  RingClientPeer peer;
  peer.open();
  const auto first = peer.in(kBulkIn, 500 << 10);
  const auto second = peer.in(kBulkIn, 450 << 10);
  auto urb = make_in(peer.done, kBulkIn, 300 << 10);
  const auto handle = urb.handle();
  peer.client.submit(std::move(urb));
  peer.client.cancel(handle);
  EXPECT_EQ(peer.done.outcomes.at(0).status, Status::Cancelled);
  peer.complete(first, 0);
  peer.complete(second, 0);
}

TEST(RingClient, IsochronousResultsComeFromTheTable) {
  RingClientPeer peer;
  peer.open();
  auto urb = make_in(peer.done, kIsoIn, 300, usb::TransferType::Isochronous);
  urb->iso_packets = {{.offset = 0, .length = 100}, {.offset = 200, .length = 100}};
  peer.client.submit(std::move(urb));
  const auto asked = peer.submission();
  ASSERT_EQ(asked.packets, 2U);
  const auto table = peer.arena(asked.packet_table, 32);
  auto second = *read_as<ring::Packet>(Bytes(table).subspan(16));
  EXPECT_EQ(second.offset, 200U);
  second.actual_length = std::uint32_t{40};
  std::memcpy(table.data() + 16, &second, sizeof(second));
  peer.arena(asked.payload, 300)[200] = std::byte{0x42};
  peer.complete(asked, 40);
  const auto& outcome = peer.done.outcomes.at(0);
  EXPECT_EQ(outcome.iso_packets[1].actual_length, 40U);
  EXPECT_EQ(outcome.data.at(200), std::byte{0x42});
}

TEST(RingClient, RemembersTheLinkState) {
  RingClientPeer peer;
  peer.open();
  peer.client.request_link_state(ring::LinkState::U3);
  EXPECT_EQ(peer.submission().value, 3U);
  peer.put({.kind = static_cast<std::uint16_t>(Kind::LinkNow), .value = std::uint32_t{3}});
  EXPECT_EQ(peer.client.link_state(), ring::LinkState::U3);
}

// ---- Ends
// -------------------------------------------------------------------------------------------

TEST(RingClient, CompletesEverythingThenTellsWhenTheDeviceIsGone) {
  RingClientPeer peer;
  peer.open();
  (void)peer.in(kBulkIn, 512);
  peer.put({.kind = static_cast<std::uint16_t>(Kind::LinkNow), .value = std::uint32_t{6}});
  EXPECT_EQ(peer.done.outcomes.at(0).status, Status::DeviceGone);
  EXPECT_EQ(peer.gone, 1);
  EXPECT_EQ(peer.memory.control().importer.state, code(ring::ImporterState::Left));
}

TEST(RingClient, TakesWhatWasCompletedBeforeTheEnd) {
  RingClientPeer peer;
  peer.open();
  const auto asked = peer.in(kBulkIn, 512);
  peer.port.put({.kind = static_cast<std::uint16_t>(Kind::Completed),
                 .tag = asked.tag,
                 .actual_length = std::uint32_t{512}});
  peer.memory.control().exporter.state = code(ring::ExporterState::Ended);
  peer.settle();
  EXPECT_EQ(peer.done.outcomes.at(0).status, Status::Ok);
  EXPECT_EQ(peer.gone, 1);
}

TEST(RingClient, NoticesAnExporterThatBeginsAnew) {
  RingClientPeer peer;
  peer.open();
  (void)peer.in(kBulkIn, 512);
  peer.memory.control().exporter.epoch = 10;
  peer.settle();
  EXPECT_EQ(peer.done.outcomes.at(0).status, Status::DeviceGone);
}

TEST(RingClient, NoticesAHeartbeatThatStops) {
  RingClientPeer peer;
  peer.open();
  (void)peer.in(kBulkIn, 512);
  peer.now += seconds(5);
  peer.settle();
  EXPECT_EQ(peer.done.outcomes.at(0).status, Status::DeviceGone);
  EXPECT_EQ(peer.client.failure()->kind, Error::Kind::Gone);
}

TEST(RingClient, SubmittedToAfterTheEndItCompletesAtOnce) {
  RingClientPeer peer;
  peer.open();
  peer.client.close();
  peer.client.submit(make_in(peer.done, kBulkIn, 512));
  EXPECT_EQ(peer.done.outcomes.at(0).status, Status::DeviceGone);
}

// ---- Hostile exporters
// ------------------------------------------------------------------------------

void expect_fault(RingClientPeer& peer) {
  EXPECT_FALSE(peer.alive());
  ASSERT_TRUE(peer.client.failure());
  EXPECT_EQ(peer.client.failure()->kind, Error::Kind::Malformed);
  EXPECT_EQ(peer.client.pending(), 0U);
}

TEST(RingClient, EndsUponMoreDataThanItAskedFor) {
  RingClientPeer peer;
  peer.open();
  const auto asked = peer.in(kBulkIn, 512);
  peer.complete(asked, 513);
  expect_fault(peer);
  EXPECT_EQ(peer.done.outcomes.at(0).status, Status::DeviceGone);
}

TEST(RingClient, EndsUponACompletionOfWhatIsNotPending) {
  RingClientPeer peer;
  peer.open();
  const auto asked = peer.in(kBulkIn, 512);
  peer.complete(asked, 0);
  peer.complete(asked, 0);
  expect_fault(peer);
}

TEST(RingClient, EndsUponASlotThatDoesNotExist) {
  RingClientPeer peer;
  peer.open();
  peer.put({.kind = static_cast<std::uint16_t>(Kind::Completed), .tag = std::uint32_t{0xffff}});
  expect_fault(peer);
}

TEST(RingClient, EndsUponAnAnswerToNoQuestion) {
  RingClientPeer peer;
  peer.open();
  peer.put({.kind = static_cast<std::uint16_t>(Kind::Listed)});
  expect_fault(peer);
}

TEST(RingClient, EndsUponATailThatRunsAway) {
  RingClientPeer peer;
  peer.open();
  peer.memory.control().completions_in.tail.fetch_add(kTestEntries + 1);
  peer.settle();
  expect_fault(peer);
}

TEST(RingClient, EndsUponAHeadThatRunsBackwards) {
  RingClientPeer peer;
  peer.open();
  peer.memory.control().submissions_out.head = 0x80000000;
  for (std::uint32_t i = 0; i < 2 * kTestEntries && peer.alive(); ++i) {
    peer.client.submit(make_in(peer.done, kBulkIn, 8));
    peer.settle();
  }
  expect_fault(peer);
}

TEST(RingClient, DoesNotBelievePacketsThatContradictTheirSum) {
  RingClientPeer peer;
  peer.open();
  auto urb = make_in(peer.done, kIsoIn, 100, usb::TransferType::Isochronous);
  urb->iso_packets = {{.offset = 0, .length = 100}};
  peer.client.submit(std::move(urb));
  peer.complete(peer.submission(), 7);
  EXPECT_EQ(peer.done.outcomes.at(0).status, Status::ProtocolError);
  EXPECT_EQ(peer.done.outcomes.at(0).actual_length, 0U);
  EXPECT_TRUE(peer.alive());
}

}  // namespace
}  // namespace periprox::session::testing
