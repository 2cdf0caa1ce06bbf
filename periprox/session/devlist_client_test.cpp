#include "periprox/session/devlist_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "periprox/session/testing.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr TimePoint kStart{std::chrono::hours(1)};

struct Devlist : ::testing::Test {
  std::optional<Result<std::vector<ListedDevice>>> result;
  int calls = 0;
  DevlistClient client{kStart, [this](auto answer) {
                         result = std::move(answer);
                         ++calls;
                       }};

  void expect_failure(Error::Kind kind, const char* text) {
    ASSERT_TRUE(result);
    ASSERT_FALSE(result->has_value());
    EXPECT_EQ(result->error().kind, kind);
    EXPECT_THAT(result->error().text(), HasSubstr(text));
    EXPECT_TRUE(client.finished());
    EXPECT_TRUE(client.failure());
    EXPECT_EQ(calls, 1);
  }
};

ByteVector head(std::uint32_t count, std::uint32_t status = 0, std::uint16_t version = 0x0111,
                std::uint16_t code = 0x0005) {
  return to_vector(
      usbip::DevlistReplyHead{{.version = version, .code = code, .status = status}, count});
}

ByteVector device(const char* busid, std::uint8_t interfaces) {
  auto bytes = to_vector(
      usbip::DeviceRecord{.busid = usbip::make_name<32>(busid), .bNumInterfaces = interfaces});
  for (std::uint8_t i = 0; i < interfaces; ++i)
    append(bytes, to_vector(usbip::InterfaceRecord{i, 1, 2}));
  return bytes;
}

TEST_F(Devlist, AsksForTheList) {
  EXPECT_EQ(collect(client), to_vector(usbip::OpHeader{.code = std::uint16_t{0x8005}}));
}

TEST_F(Devlist, ReadsAnEmptyList) {
  feed(client, head(0));
  ASSERT_TRUE(result->has_value());
  EXPECT_THAT(**result, SizeIs(0));
  EXPECT_TRUE(client.finished());
  EXPECT_FALSE(client.failure());
}

TEST_F(Devlist, ReadsDevicesWithAndWithoutInterfaces) {
  feed(client, head(3) + device("1-1", 2) + device("1-2", 0) + device("2-1", 1));
  ASSERT_TRUE(result->has_value());
  ASSERT_THAT(**result, SizeIs(3));
  EXPECT_THAT((**result)[0].interfaces, SizeIs(2));
  EXPECT_EQ((**result)[0].interfaces[1], (usb::ClassCode{1, 1, 2}));
  EXPECT_THAT((**result)[1].interfaces, SizeIs(0));
  EXPECT_EQ(usbip::name_in((**result)[2].record.busid), "2-1");
}

TEST_F(Devlist, ReadsAListWhoseLastDeviceHasNoInterfaces) {
  feed(client, head(1) + device("1-1", 0));
  ASSERT_TRUE(result && result->has_value());
}

TEST_F(Devlist, ReadsAListByteByByte) {
  feed(client, head(2) + device("1-1", 2) + device("1-2", 255), 1);
  ASSERT_TRUE(result->has_value());
  EXPECT_THAT((**result)[1].interfaces, SizeIs(255));
}

TEST_F(Devlist, Reads100Devices) {
  auto reply = head(100);
  for (int i = 0; i < 100; ++i) append(reply, device(("1-" + std::to_string(i)).c_str(), 3));
  feed(client, reply);
  EXPECT_THAT(**result, SizeIs(100));
}

TEST_F(Devlist, IgnoresTrailingBytes) {
  feed(client, head(1) + device("1-1", 1) + pattern(1000));
  ASSERT_TRUE(result->has_value());
  EXPECT_THAT(**result, SizeIs(1));
  EXPECT_TRUE(client.receive_into().empty());
}

TEST_F(Devlist, FailsOnAnAbsurdCount) {
  feed(client, head(0xffffffff));
  expect_failure(Error::Kind::Malformed, "announces 4294967295");
}

TEST_F(Devlist, FailsOnATruncatedRecord) {
  feed(client, Bytes(head(1) + device("1-1", 1)).first(200));
  client.receive_ended(std::nullopt);
  expect_failure(Error::Kind::Malformed, "middle of the list");
}

TEST_F(Devlist, FailsOnATruncatedInterface) {
  const auto reply = head(1) + device("1-1", 2);
  feed(client, Bytes(reply).first(reply.size() - 1));
  EXPECT_FALSE(result);
  client.receive_ended(std::nullopt);
  expect_failure(Error::Kind::Malformed, "middle of the list");
}

TEST_F(Devlist, FailsOnAnotherVersion) {
  feed(client, head(0, 0, 0x0106));
  expect_failure(Error::Kind::Malformed, "no device list");
}

TEST_F(Devlist, FailsOnAnotherCode) {
  feed(client, head(0, 0, 0x0111, 0x0003));
  expect_failure(Error::Kind::Malformed, "no device list");
}

TEST_F(Devlist, FailsOnAStatusThatIsNotZero) {
  feed(client, head(0, 1));
  expect_failure(Error::Kind::Failed, "not available");
}

TEST_F(Devlist, FailsOnAStatusThatIsNotFollowedByACount) {
  feed(client,
       to_vector(usbip::OpHeader{.code = std::uint16_t{0x0005}, .status = std::uint32_t{1}}));
  expect_failure(Error::Kind::Failed, "not available");
}

TEST_F(Devlist, FailsOnANameWithoutEnd) {
  auto reply = head(1) + device("1-1", 1);
  for (std::size_t i = 0; i < 32; ++i) reply[12 + 256 + i] = std::byte{'x'};
  feed(client, reply);
  expect_failure(Error::Kind::Malformed, "no end");
}

TEST_F(Devlist, FailsWhenTheConnectionBreaks) {
  client.receive_ended(Error{Error::Kind::Gone, "the connection broke", "reset", {}});
  expect_failure(Error::Kind::Gone, "broke");
}

TEST_F(Devlist, FailsWhenTheServerIsSilent) {
  EXPECT_EQ(client.wake_at(), kStart + std::chrono::seconds(15));
  client.woken(kStart + std::chrono::seconds(14));
  EXPECT_FALSE(result);
  client.woken(kStart + std::chrono::seconds(15));
  expect_failure(Error::Kind::Failed, "did not answer in time");
  EXPECT_EQ(client.wake_at(), std::nullopt);
}

TEST_F(Devlist, FailsWhenClosed) {
  client.close();
  expect_failure(Error::Kind::Failed, "given up");
}

TEST_F(Devlist, IsNotDisturbedByAnEndAfterTheList) {
  feed(client, head(0));
  client.receive_ended(std::nullopt);
  client.close();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(client.failure());
}

}  // namespace
}  // namespace periprox::session
