// The management phase of a server session: one request, one reply.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/session/server_testing.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using usbip::OpCode;
using usbip::OpHeader;
using usbip::OpStatus;

constexpr TimePoint kStart{std::chrono::hours(1)};

ByteVector import_request(std::string_view busid) {
  return to_vector(usbip::ImportRequest{.busid = usbip::make_name<usbip::kBusIdSize>(busid)});
}

ByteVector op_request(std::uint16_t version, std::uint16_t code) {
  return to_vector(OpHeader{.version = version, .code = code});
}

ByteVector refusal(OpStatus status) {
  return to_vector(OpHeader{.code = static_cast<std::uint16_t>(OpCode::ImportReply),
                            .status = static_cast<std::uint32_t>(status)});
}

/// A server that has just been connected to, with a device "1-1".
struct Op : ::testing::Test {
  Op() {
    exports.devices["1-1"] = &device;
    server.set_waker(&waker);
  }
  FakeExports exports;
  FakeDevice device;
  CountingWaker waker;
  UsbipServer server{exports, "the peer", kStart, {.request_timeout = std::chrono::seconds(15)}};
};

TEST_F(Op, RefusesAnotherVersion) {
  feed(server, op_request(0x0100, 0x8005));
  EXPECT_TRUE(server.finished());
  ASSERT_TRUE(server.failure());
  EXPECT_EQ(server.failure()->kind, Error::Kind::Malformed);
  EXPECT_TRUE(collect(server).empty());
}

TEST_F(Op, ClosesWithoutAnswerOnAnUnknownOperation) {
  feed(server, op_request(0x0111, 0x8002));
  EXPECT_TRUE(server.finished());
  EXPECT_THAT(server.failure()->why, HasSubstr("operation"));
  EXPECT_TRUE(collect(server).empty());
}

TEST_F(Op, ClosesOnTheCodeOfAReply) {
  feed(server, op_request(0x0111, 0x0003));
  EXPECT_TRUE(server.finished());
  EXPECT_TRUE(server.failure());
}

TEST_F(Op, ListsNothingWhenThereIsNothing) {
  feed(server, op_request(0x0111, 0x8005));
  EXPECT_EQ(collect(server), to_vector(usbip::DevlistReplyHead{}));
  EXPECT_TRUE(server.finished());
  EXPECT_FALSE(server.failure());
}

TEST_F(Op, ListsDevicesWithTheirInterfaces) {
  const auto record = usbip::encode_device(test_address(), device.model());
  exports.listed = {{record, {{0xff, 1, 2}, {3, 4, 5}}}};
  feed(server, op_request(0x0111, 0x8005));
  EXPECT_EQ(collect(server), to_vector(usbip::DevlistReplyHead{.device_count = std::uint32_t{1}}) +
                                 to_vector(record) + to_vector(usbip::InterfaceRecord{0xff, 1, 2}) +
                                 to_vector(usbip::InterfaceRecord{3, 4, 5}));
}

TEST_F(Op, ListsADeviceWithoutInterfacesAsHavingNone) {
  auto record = usbip::encode_device(test_address(), device.model());
  record.bNumInterfaces = 9;  // Whatever the record says, none follows.
  exports.listed = {{record, {}}};
  feed(server, op_request(0x0111, 0x8005));
  const auto reply = collect(server);
  ASSERT_EQ(reply.size(), 12U + 312U);
  EXPECT_EQ(reply.back(), std::byte{0});
}

TEST_F(Op, AnswersARequestThatComesByteByByte) {
  feed(server, op_request(0x0111, 0x8005), 1);
  EXPECT_EQ(collect(server).size(), 12U);
}

TEST_F(Op, TakesNothingAfterADeviceList) {
  const auto bytes = op_request(0x0111, 0x8005) + pattern(100);
  feed(server, bytes);
  EXPECT_EQ(collect(server).size(), 12U);
  EXPECT_FALSE(server.failure());
  EXPECT_TRUE(server.receive_into().empty());
}

TEST_F(Op, IsNoFailureWhenThePeerResetsAfterItsDeviceList) {
  feed(server, op_request(0x0111, 0x8005));
  server.receive_ended(Error{Error::Kind::Gone, "the connection broke", "reset", {}});
  EXPECT_FALSE(server.failure());
}

TEST_F(Op, ImportsADevice) {
  feed(server, import_request("1-1"));
  const auto reply = collect(server);
  ASSERT_EQ(reply.size(), 320U);
  const auto decoded = *read_as<usbip::ImportReply>(reply);
  EXPECT_EQ(decoded.header.status, 0U);
  EXPECT_EQ(usbip::name_in(decoded.device.busid), "1-1");
  EXPECT_EQ(decoded.device.busnum, 1U);
  EXPECT_EQ(decoded.device.devnum, 2U);
  EXPECT_EQ(decoded.device.idVendor, 0x1209);
  EXPECT_EQ(decoded.device.bNumInterfaces, 2);
  EXPECT_NE(server.lease(), nullptr);
  EXPECT_FALSE(server.finished());
}

TEST_F(Op, TellsTheExportsWhoAsks) {
  feed(server, import_request("1-1"));
  EXPECT_EQ(exports.claimed_peer, "the peer");
}

TEST_F(Op, ImportsWhenTheRequestIsCutAnywhere) {
  const auto request = import_request("1-1");
  for (std::size_t cut = 0; cut <= request.size(); ++cut) {
    UsbipServer fresh(exports, "peer", kStart);
    feed(fresh, Bytes(request).first(cut));
    feed(fresh, Bytes(request).subspan(cut));
    EXPECT_EQ(collect(fresh).size(), 320U) << cut;
  }
}

TEST_F(Op, IgnoresGarbageAfterTheEndOfABusId) {
  auto request = import_request("1-1");
  for (std::size_t i = 8 + 4; i < request.size(); ++i) request[i] = std::byte{0xaa};
  feed(server, request);
  EXPECT_THAT(exports.claimed_busids, ElementsAre("1-1"));
  EXPECT_EQ(collect(server).size(), 320U);
}

TEST_F(Op, TakesABusIdOf31Bytes) {
  const std::string longest = "1-" + std::string(29, '2');
  exports.devices[longest] = &device;
  feed(server, import_request(longest));
  EXPECT_THAT(exports.claimed_busids, ElementsAre(longest));
}

TEST_F(Op, AnswersABusIdWithoutEndWithStatusOnly) {
  auto request = import_request("1-1");
  for (std::size_t i = 8; i < request.size(); ++i) request[i] = std::byte{'1'};
  feed(server, request);
  EXPECT_TRUE(exports.claimed_busids.empty());
  EXPECT_EQ(collect(server), refusal(OpStatus::NoSuchDevice));
  EXPECT_TRUE(server.finished());
  EXPECT_TRUE(server.failure());
}

TEST_F(Op, AnswersAnUnknownBusIdWithStatusOnly) {
  feed(server, import_request("9-9"));
  EXPECT_EQ(collect(server), refusal(OpStatus::NoSuchDevice));
  EXPECT_TRUE(server.finished());
  EXPECT_FALSE(server.failure());
}

TEST_F(Op, AnswersAnEmptyBusIdWithStatusOnly) {
  feed(server, import_request(""));
  EXPECT_EQ(collect(server), refusal(OpStatus::NoSuchDevice));
}

TEST_F(Op, AnswersABusyDeviceWithStatus2) {
  exports.refusal = OpStatus::DeviceBusy;
  feed(server, import_request("1-1"));
  const auto reply = collect(server);
  ASSERT_EQ(reply.size(), 8U);
  EXPECT_EQ(reply[7], std::byte{2});
}

TEST_F(Op, TakesCommandsThatComeWithTheImportRequest) {
  feed(server, import_request("1-1") + cmd_in(1, 64) + cmd_in(2, 64));
  EXPECT_EQ(device.held.size(), 2U);
  device.complete(0, pattern(64));
  const auto written = collect(server);
  EXPECT_EQ(written.size(), 320U + 48U + 64U);
}

TEST_F(Op, TakesCommandsThatCameBeforeTheClaimWasDecided) {
  exports.answer_later = true;
  feed(server, import_request("1-1") + cmd_in(1, 64));
  EXPECT_TRUE(device.held.empty());
  EXPECT_TRUE(server.receive_into().empty());
  exports.waiting.front()(exports.result_of("1-1"));
  EXPECT_EQ(device.held.size(), 1U);
  EXPECT_GT(waker.wakes, 0U);
}

TEST_F(Op, AnswersALateRefusal) {
  exports.answer_later = true;
  feed(server, import_request("1-1"));
  exports.waiting.front()(OpStatus::DeviceError);
  EXPECT_EQ(collect(server), refusal(OpStatus::DeviceError));
  EXPECT_TRUE(server.finished());
  EXPECT_GT(waker.wakes, 0U);
}

TEST_F(Op, GivesALateLeaseBackWhenTheClientLeftMeanwhile) {
  exports.answer_later = true;
  feed(server, import_request("1-1"));
  server.receive_ended(std::nullopt);
  EXPECT_TRUE(server.finished());
  exports.waiting.front()(exports.result_of("1-1"));
  EXPECT_EQ(exports.released, 1);
}

TEST(OpEnd, LeaseComesTooLateForASessionThatIsGone) {
  FakeExports exports;
  FakeDevice device;
  exports.devices["1-1"] = &device;
  exports.answer_later = true;
  {
    UsbipServer server(exports, "peer", kStart);
    feed(server, import_request("1-1"));
  }
  exports.waiting.front()(exports.result_of("1-1"));
  EXPECT_EQ(exports.released, 1);
}

TEST_F(Op, EndsWhenNothingIsAskedInTime) {
  EXPECT_EQ(server.wake_at(), kStart + std::chrono::seconds(15));
  server.woken(kStart + std::chrono::seconds(15));
  EXPECT_TRUE(server.finished());
  EXPECT_THAT(server.failure()->what, HasSubstr("asked for nothing"));
}

TEST_F(Op, EndsWhenHalfARequestIsAllThatComes) {
  feed(server, Bytes(import_request("1-1")).first(20));
  server.woken(kStart + std::chrono::seconds(15));
  EXPECT_TRUE(server.finished());
  EXPECT_TRUE(server.failure());
}

TEST_F(Op, WaitsOnWhenWokenEarly) {
  server.woken(kStart + std::chrono::seconds(14));
  EXPECT_FALSE(server.finished());
  EXPECT_EQ(server.wake_at(), kStart + std::chrono::seconds(15));
}

TEST_F(Op, HasNoDeadlineOnceImported) {
  feed(server, import_request("1-1"));
  EXPECT_EQ(server.wake_at(), std::nullopt);
}

TEST_F(Op, EndsQuietlyWhenThePeerHangsUpBeforeAsking) {
  server.receive_ended(std::nullopt);
  EXPECT_TRUE(server.finished());
  EXPECT_FALSE(server.failure());
}

TEST_F(Op, FailsWhenThePeerHangsUpInsideItsRequest) {
  feed(server, Bytes(import_request("1-1")).first(9));
  server.receive_ended(std::nullopt);
  EXPECT_TRUE(server.finished());
  EXPECT_THAT(server.failure()->why, HasSubstr("offset 0"));
}

TEST_F(Op, ClosesOnDemandBeforeAnyRequest) {
  server.close();
  EXPECT_TRUE(server.finished());
  EXPECT_FALSE(server.failure());
  EXPECT_EQ(server.wake_at(), std::nullopt);
}

TEST_F(Op, ClosesOnDemandWhileAClaimIsUndecided) {
  exports.answer_later = true;
  feed(server, import_request("1-1"));
  server.close();
  EXPECT_TRUE(server.finished());
}

}  // namespace
}  // namespace periprox::session
