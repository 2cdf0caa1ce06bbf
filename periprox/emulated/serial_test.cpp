// The serial port as a host's CDC-ACM driver sees it.
#include "periprox/emulated/serial.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/memory_stream_testing.hpp"
#include "periprox/emulated/function_testing.hpp"

namespace periprox::emulated {
namespace {

using periprox::testing::MemoryStream;
using usb::Status;

constexpr usb::EndpointAddress kNotifications(0x81);
constexpr usb::EndpointAddress kIn(0x82);
constexpr usb::EndpointAddress kOut(0x02);

class SerialTest : public ::testing::Test, protected testing::FunctionRig {
 protected:
  SerialTest() {
    auto made = std::make_unique<MemoryStream>();
    stream = made.get();
    port = std::make_shared<SerialPort>(std::move(made));
    plug({[this](Place place) { return serial_function(port, place); }});
  }

  static std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  MemoryStream* stream = nullptr;
  std::shared_ptr<SerialPort> port;
};

TEST_F(SerialTest, IsOneFunctionOfTwoInterfaces) {
  const auto& configuration = *device->model().active_configuration();
  ASSERT_EQ(configuration.associations.size(), 1U);
  EXPECT_EQ(configuration.associations[0].bInterfaceCount, 2);
  EXPECT_EQ(device->model().descriptor().class_code(), (usb::ClassCode{0xef, 2, 1}));
  const auto& extra = configuration.interfaces.at(0).alternate_settings.at(0).extra;
  EXPECT_EQ(extra.back(), raw_bytes({5, 0x24, 6, 0, 1}));
}

TEST_F(SerialTest, CarriesBytesBothWays) {
  EXPECT_EQ(write(kOut, bytes_of_text("to the stream")).status, Status::Ok);
  EXPECT_EQ(stream->written, "to the stream");
  stream->arrive("to the host");
  EXPECT_EQ(text_of(read(kIn, 512).data), "to the host");
}

TEST_F(SerialTest, AHostThatAsksFirstGetsWhatArrivesLater) {
  const auto asked = host->in(kIn, 512);
  EXPECT_EQ(host->times_completed(asked), 0U);
  stream->arrive("later");
  EXPECT_EQ(text_of(host->outcome(asked).data), "later");
}

TEST_F(SerialTest, HoldsTheHostUpWhileTheStreamIsFull) {
  stream->room = 3;
  const auto sent = host->out(kOut, bytes_of_text("abcdefgh"));
  EXPECT_EQ(stream->written, "abc");
  EXPECT_EQ(host->times_completed(sent), 0U);
  stream->make_room(2);
  EXPECT_EQ(stream->written, "abcde");
  stream->make_room(100);
  EXPECT_EQ(stream->written, "abcdefgh");
  EXPECT_EQ(host->outcome(sent).actual_length, 8U);
}

TEST_F(SerialTest, ACancelledTransferIsNotWrittenOn) {
  stream->room = 3;
  const auto sent = host->out(kOut, bytes_of_text("abcdefgh"));
  host->cancel(sent);
  stream->make_room(100);
  EXPECT_EQ(stream->written, "abc");
  EXPECT_EQ(write(kOut, bytes_of_text("next")).status, Status::Ok);
  EXPECT_EQ(stream->written, "abcnext");
}

TEST_F(SerialTest, ACancelledReadLosesNoByte) {
  const auto asked = host->in(kIn, 512);
  host->cancel(asked);
  stream->arrive("kept");
  EXPECT_EQ(text_of(read(kIn, 512).data), "kept");
}

TEST_F(SerialTest, RemembersItsLineCoding) {
  std::string told;
  port->on_line_coding = [&](const LineCoding& coding) { told = line_coding_text(coding); };
  EXPECT_EQ(control({0xa1, 0x21, 0, 0, 7}).data, raw_bytes({0, 0xc2, 1, 0, 0, 0, 8}));
  const auto coding = raw_bytes({0x80, 0x25, 0, 0, 2, 2, 7});
  EXPECT_EQ(control({0x21, 0x20, 0, 0, 7}, coding).status, Status::Ok);
  EXPECT_EQ(control({0xa1, 0x21, 0, 0, 7}).data, coding);
  EXPECT_EQ(told, "9600 7E2");
}

TEST_F(SerialTest, RefusesALineCodingThatThereIsNot) {
  EXPECT_EQ(control({0x21, 0x20, 0, 0, 7}, raw_bytes({0x80, 0x25, 0, 0, 3, 0, 8})).status,
            Status::Stalled);
  EXPECT_EQ(control({0x21, 0x20, 0, 0, 6}, raw_bytes({0x80, 0x25, 0, 0, 0, 0})).status,
            Status::Stalled);
  EXPECT_EQ(line_coding_text(port->line_coding()), "115200 8N1");
}

TEST_F(SerialTest, TellsControlLinesAndBreaks) {
  std::vector<std::uint16_t> breaks;
  port->on_break = [&](std::uint16_t milliseconds) { breaks.push_back(milliseconds); };
  EXPECT_EQ(control({0x21, 0x22, 3, 0, 0}).status, Status::Ok);
  EXPECT_TRUE(port->dtr());
  EXPECT_TRUE(port->rts());
  EXPECT_EQ(control({0x21, 0x22, 1, 0, 0}).status, Status::Ok);
  EXPECT_FALSE(port->rts());
  EXPECT_EQ(control({0x21, 0x23, 0xffff, 0, 0}).status, Status::Ok);
  EXPECT_EQ(control({0x21, 0x23, 0, 0, 0}).status, Status::Ok);
  EXPECT_THAT(breaks, ::testing::ElementsAre(0xffff, 0));
}

TEST_F(SerialTest, TellsTheHostWhetherSomebodyIsConnected) {
  EXPECT_EQ(read(kNotifications, 16).data, raw_bytes({0xa1, 0x20, 0, 0, 0, 0, 2, 0, 3, 0}));
  stream->connect(false);
  EXPECT_EQ(read(kNotifications, 16).data, raw_bytes({0xa1, 0x20, 0, 0, 0, 0, 2, 0, 0, 0}));
  EXPECT_EQ(read(kNotifications, 16).status, Status::InProgress);
}

TEST_F(SerialTest, TellsABreakOnce) {
  (void)read(kNotifications, 16);
  port->report(SerialPort::kCarrier | SerialPort::kReady | SerialPort::kBreak);
  EXPECT_EQ(read(kNotifications, 16).data.at(8), std::byte{7});
  EXPECT_EQ(read(kNotifications, 16).status, Status::InProgress);
}

TEST(SerialFunction, NamesItsInterfacesWhereverItStands) {
  const auto port = std::make_shared<SerialPort>(std::make_unique<MemoryStream>());
  const auto function = serial_function(port, {.interface_number = 3, .endpoint_number = 5});
  const auto& control = function.interfaces.at(0).settings.at(0);
  EXPECT_EQ(control.descriptors.back(), raw_bytes({5, 0x24, 6, 3, 4}));
  EXPECT_EQ(control.endpoints.at(0).address.value(), 0x85);
  EXPECT_EQ(function.interfaces.at(1).settings.at(0).endpoints.at(1).address.value(), 0x06);
}

}  // namespace
}  // namespace periprox::emulated
