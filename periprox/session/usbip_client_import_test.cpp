// How a client session imports a device and reads its descriptors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/session/client_testing.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::HasSubstr;
using usbip::OpHeader;

ByteVector reply_head(std::uint32_t status, std::uint16_t version = 0x0111,
                      std::uint16_t code = 0x0003) {
  return to_vector(OpHeader{.version = version, .code = code, .status = status});
}

void fails_import(const ByteVector& reply, Error::Kind kind, const char* text) {
  ClientPeer peer;
  peer.send(reply);
  EXPECT_TRUE(peer.client.finished());
  ASSERT_TRUE(peer.ready.has_value());
  ASSERT_FALSE(peer.ready->has_value());
  EXPECT_EQ(peer.ready->error().kind, kind);
  EXPECT_THAT(peer.ready->error().text(), HasSubstr(text));
  EXPECT_EQ(peer.gone, 1);
}

TEST(UsbipClientImport, AsksForItsBusId) {
  ClientPeer peer;
  EXPECT_EQ(collect(peer.client),
            to_vector(usbip::ImportRequest{.busid = usbip::make_name<32>("1-1")}));
}

TEST(UsbipClientImport, IsReadyOnceTheDescriptorsAreRead) {
  ClientPeer peer;
  peer.open();
  EXPECT_TRUE(peer.ready->has_value());
  EXPECT_EQ(peer.client.model().descriptor(), test_model().descriptor());
  EXPECT_EQ(peer.client.model().configuration_value(), 1);
  EXPECT_EQ(peer.client.model().speed(), usb::Speed::High);
  EXPECT_NE(peer.client.model().endpoint(kIsoOut), nullptr);
  EXPECT_EQ(peer.client.address().devid(), kDevid);
  EXPECT_EQ(peer.client.wake_at(), std::nullopt);
}

TEST(UsbipClientImport, TakesAReplyByteByByte) {
  ClientPeer peer;
  (void)collect(peer.client);
  peer.send(to_vector(import_reply()), 1);
  peer.answer_descriptors();
  EXPECT_TRUE(peer.ready->has_value());
}

TEST(UsbipClientImport, TakesADeviceThatIsNotConfigured) {
  auto model = test_model();
  model.set_configuration(0);
  ClientPeer peer(model);
  peer.open();
  EXPECT_TRUE(peer.ready->has_value());
  EXPECT_EQ(peer.client.model().configuration_value(), 0);
}

void imports_at(std::uint32_t speed) {
  ClientPeer peer;
  auto reply = import_reply();
  reply.device.speed = speed;
  (void)collect(peer.client);
  peer.send(to_vector(reply));
  peer.answer_descriptors();
  EXPECT_EQ(static_cast<std::uint32_t>(peer.client.model().speed()), speed);
}

TEST(UsbipClientImport, TakesSpeed1) { imports_at(1); }
TEST(UsbipClientImport, TakesSpeed2) { imports_at(2); }
TEST(UsbipClientImport, TakesSpeed3) { imports_at(3); }
TEST(UsbipClientImport, TakesSpeed5) { imports_at(5); }
TEST(UsbipClientImport, TakesSpeed6) { imports_at(6); }

TEST(UsbipClientImport, FailsOnAnUnknownSpeed) {
  auto reply = import_reply();
  reply.device.speed = std::uint32_t{7};
  fails_import(to_vector(reply), Error::Kind::Malformed, "speed 7");
}

TEST(UsbipClientImport, FailsOnAnotherVersion) {
  fails_import(reply_head(0, 0x0100), Error::Kind::Malformed, "version 256");
}
TEST(UsbipClientImport, FailsOnAnotherCode) {
  fails_import(reply_head(0, 0x0111, 0x0005), Error::Kind::Malformed, "code 5");
}
TEST(UsbipClientImport, FailsOnAnotherBusId) {
  auto reply = import_reply();
  reply.device.busid = usbip::make_name<32>("1-2");
  fails_import(to_vector(reply), Error::Kind::Malformed, "another bus id");
}
TEST(UsbipClientImport, FailsOnABusIdWithoutEnd) {
  auto reply = import_reply();
  reply.device.busid.fill('1');
  fails_import(to_vector(reply), Error::Kind::Malformed, "another bus id");
}
TEST(UsbipClientImport, FailsOnABusNumberThatDoesNotFitADevid) {
  auto reply = import_reply();
  reply.device.busnum = std::uint32_t{0x10000};
  fails_import(to_vector(reply), Error::Kind::Malformed, "out of range");
}
TEST(UsbipClientImport, TakesAPathWithoutEndForNone) {
  ClientPeer peer;
  auto reply = import_reply();
  reply.device.path.fill('x');
  (void)collect(peer.client);
  peer.send(to_vector(reply));
  peer.answer_descriptors();
  EXPECT_EQ(peer.client.address().path, "");
}

TEST(UsbipClientImport, TellsThatTheDeviceIsNotAvailable) {
  fails_import(reply_head(1), Error::Kind::NotFound, "not available");
}
TEST(UsbipClientImport, TellsThatTheDeviceIsBusy) {
  fails_import(reply_head(2), Error::Kind::Busy, "in use by another client");
}
TEST(UsbipClientImport, TellsThatTheDeviceIsInError) {
  fails_import(reply_head(3), Error::Kind::NotFound, "error state");
}
TEST(UsbipClientImport, TellsThatThereIsNoSuchDevice) {
  fails_import(reply_head(4), Error::Kind::NotFound, "no such device");
}
TEST(UsbipClientImport, TellsAnUnexpectedResponse) {
  fails_import(reply_head(5), Error::Kind::NotFound, "unexpected response");
}
TEST(UsbipClientImport, TellsAnUnknownStatus) {
  fails_import(reply_head(99), Error::Kind::NotFound, "status 99");
}

TEST(UsbipClientImport, FailsWhenTheServerIsSilent) {
  ClientPeer peer;
  EXPECT_EQ(peer.client.wake_at(), kClientStart + std::chrono::seconds(15));
  peer.client.woken(kClientStart + std::chrono::seconds(15));
  EXPECT_TRUE(peer.client.finished());
  EXPECT_THAT(peer.ready->error().text(), HasSubstr("did not answer"));
}

TEST(UsbipClientImport, FailsWhenTheServerIsSilentInTheMiddleOfItsReply) {
  ClientPeer peer;
  peer.send(Bytes(to_vector(import_reply())).first(100));
  peer.client.woken(kClientStart + std::chrono::seconds(15));
  EXPECT_TRUE(peer.client.finished());
  EXPECT_FALSE(peer.ready->has_value());
}

TEST(UsbipClientImport, FailsWhenTheServerIsSilentAboutTheDeviceDescriptor) {
  ClientPeer peer;
  peer.send(to_vector(import_reply()));
  peer.client.woken(kClientStart + std::chrono::seconds(15));
  EXPECT_TRUE(peer.client.finished());
  EXPECT_THAT(peer.ready->error().text(), HasSubstr("cannot read its descriptors"));
}

TEST(UsbipClientImport, IsReadyWithoutStringsWhenTheServerIsSilentAboutThem) {
  auto model = test_model();
  auto descriptor = model.descriptor();
  descriptor.iProduct = 2;
  model = usb::DeviceModel(usb::Speed::High, descriptor, model.configurations());
  model.set_configuration(1);
  ClientPeer peer(model);
  (void)collect(peer.client);
  peer.send(to_vector(import_reply(model)));
  for (int i = 0; i < 3; ++i) {  // Device, configuration head, configuration.
    const auto cmd = peer.command();
    peer.send(ret_in(cmd.seqnum(), *descriptor_answer(model, cmd.header.setup)));
  }
  EXPECT_FALSE(peer.ready);
  peer.client.woken(kClientStart + std::chrono::seconds(15));
  ASSERT_TRUE(peer.ready);
  EXPECT_TRUE(peer.ready->has_value());
  EXPECT_TRUE(peer.alive());
}

TEST(UsbipClientImport, FailsWhenTheServerHangsUp) {
  ClientPeer peer;
  peer.client.receive_ended(std::nullopt);
  EXPECT_TRUE(peer.client.finished());
  EXPECT_EQ(peer.ready->error().kind, Error::Kind::Gone);
  EXPECT_EQ(peer.gone, 1);
}

TEST(UsbipClientImport, FailsWhenTheServerHangsUpInItsReply) {
  ClientPeer peer;
  peer.send(Bytes(to_vector(import_reply())).first(319));
  peer.client.receive_ended(std::nullopt);
  EXPECT_TRUE(peer.client.finished());
  EXPECT_FALSE(peer.ready->has_value());
}

TEST(UsbipClientImport, FailsWhenClosed) {
  ClientPeer peer;
  peer.client.close();
  EXPECT_TRUE(peer.client.finished());
  EXPECT_FALSE(peer.ready->has_value());
  EXPECT_FALSE(peer.client.failure());
}

TEST(UsbipClientImport, StartsWithUrbsWhenDevidAndSpeedAreKnown) {
  UsbipClient client(kDevid, usb::Speed::High, kClientStart, kClientLimits);
  std::optional<Result<void>> ready;
  client.on_ready([&](Result<void> result) { ready = std::move(result); });
  bool asked_for_configuration = false;
  while (!ready) {
    const auto cmd = read_commands(collect(client)).at(0);
    EXPECT_EQ(cmd.header.basic.devid, kDevid);
    asked_for_configuration |= cmd.header.setup.is_standard(usb::StandardRequest::GetConfiguration);
    feed(client, ret_in(cmd.seqnum(), *descriptor_answer(test_model(), cmd.header.setup)));
  }
  EXPECT_TRUE(ready->has_value());
  EXPECT_TRUE(asked_for_configuration);
  EXPECT_EQ(client.model().configuration_value(), 1);
}

TEST(UsbipClientImport, StartsWithUrbsAfterTheExportersLine) {
  UsbipClient client(kClientStart, kClientLimits);
  std::optional<Result<void>> ready;
  client.on_ready([&](Result<void> result) { ready = std::move(result); });
  EXPECT_TRUE(collect(client).empty());
  feed(client, bytes_of_text("65538 4"));
  EXPECT_TRUE(collect(client).empty());
  feed(client, bytes_of_text("80 reserved\n"));
  const auto cmd = read_commands(collect(client)).at(0);
  EXPECT_EQ(cmd.header.basic.devid, 0x00010002U);
  EXPECT_EQ(client.address().busid, "1-2");
  EXPECT_FALSE(ready);
}

TEST(UsbipClientImport, EndsOnALineThatAnnouncesNoDevice) {
  UsbipClient client(kClientStart, kClientLimits);
  std::optional<Result<void>> ready;
  client.on_ready([&](Result<void> result) { ready = std::move(result); });
  feed(client, bytes_of_text("Permission denied\n"));
  EXPECT_TRUE(client.finished());
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->error().kind, Error::Kind::Malformed);
}

TEST(UsbipClientImport, EndsOnALineWithoutAnEnd) {
  UsbipClient client(kClientStart, kClientLimits);
  feed(client, bytes_of_text(std::string(255, '1')));
  EXPECT_FALSE(client.finished());
  feed(client, bytes_of_text("1"));
  EXPECT_TRUE(client.finished());
}

TEST(UsbipClientImport, TakesAnEndBeforeTheExportersLineAsARefusal) {
  UsbipClient client(kClientStart, kClientLimits);
  client.receive_ended(std::nullopt);
  ASSERT_TRUE(client.failure());
  EXPECT_EQ(client.failure()->kind, Error::Kind::NotFound);
}

}  // namespace
}  // namespace periprox::session
