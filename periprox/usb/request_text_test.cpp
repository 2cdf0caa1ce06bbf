#include "periprox/usb/request_text.hpp"

#include <gtest/gtest.h>

#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

std::vector<std::byte> hex(std::string_view text) { return parse_hex_bytes(text).value(); }
SetupPacket setup(std::string_view text) { return read_as<SetupPacket>(hex(text)).value(); }

constexpr ClassCode kHid{3, 0, 0};
constexpr ClassCode kModem{2, 2, 1};
constexpr ClassCode kHub{9, 0, 0};

TEST(RequestText, NamesStandardRequests) {
  EXPECT_EQ(request_text(SetupPacket::get_descriptor(1, 0, 18)), "GET_DESCRIPTOR device");
  EXPECT_EQ(request_text(SetupPacket::get_descriptor(3, 2, 255, 0x409)), "GET_DESCRIPTOR string 2");
  EXPECT_EQ(request_text(setup("8106002201004000"), kHid),
            "GET_DESCRIPTOR HID report of interface 1");
  EXPECT_EQ(request_text(SetupPacket::set_configuration(1)), "SET_CONFIGURATION 1");
  EXPECT_EQ(request_text(SetupPacket::set_interface(2, 1)), "SET_INTERFACE 2:1");
  EXPECT_EQ(request_text(SetupPacket::clear_halt(EndpointAddress(0x81))),
            "CLEAR_FEATURE ENDPOINT_HALT 0x81");
  EXPECT_EQ(request_text(setup("8099000000000000")), "standard request 0x99");
}

TEST(RequestText, NamesClassRequestsByTheirClass) {
  EXPECT_EQ(request_text(setup("2109000200000100"), kHid), "HID SET_REPORT output");
  EXPECT_EQ(request_text(setup("a101030300000800"), kHid), "HID GET_REPORT feature 3");
  EXPECT_EQ(request_text(setup("2122030000000000"), kModem), "CDC SET_CONTROL_LINE_STATE DTR RTS");
  EXPECT_EQ(request_text(setup("a1fe000000000100"), {8, 6, 80}), "storage GET_MAX_LUN");
  EXPECT_EQ(request_text(setup("2303040002000000"), kHub), "hub SET_FEATURE port 2 PORT_RESET");
  EXPECT_EQ(request_text(SetupPacket::port_reset(), kHid), "port reset");
  EXPECT_EQ(request_text(setup("2133010002000000"), kHid),
            "class request 0x33 wValue 0x0001 wIndex 0x0002");
}

TEST(RequestText, ShowsVendorRequestsByTheirNumbers) {
  EXPECT_EQ(request_text(setup("c05c000000000400")),
            "vendor request 0x5c wValue 0x0000 wIndex 0x0000");
}

TEST(RequestText, ReadsALineCoding) {
  EXPECT_EQ(request_data_text(setup("2120000000000700"), kModem, hex("00c20100000008")),
            "115200 baud, 8N1");
  EXPECT_EQ(request_data_text(setup("2120000000000700"), kModem, hex("8025000002")), "");
}

TEST(StorageText, NamesCommandsAndTheirOutcome) {
  EXPECT_EQ(
      storage_text(hex("55534243 07000000 00100000 80 00 0a 28000000080000000800 000000000000")),
      "READ(10) LBA 2048, 8 blocks (tag 7)");
  EXPECT_EQ(storage_text(hex("55534253 07000000 00000000 00")), "passed (tag 7)");
  EXPECT_EQ(storage_text(hex("55534253 08000000 00020000 01")), "failed (tag 8), 512 bytes less");
  EXPECT_EQ(storage_text(hex("00000000")), "");
}

TEST(CommunicationsNotification, NamesTheLines) {
  EXPECT_EQ(communications_notification_text(hex("a120000000000200 0300")), "SERIAL_STATE DCD DSR");
  EXPECT_EQ(communications_notification_text(hex("0000")), "");
}

}  // namespace
}  // namespace periprox::usb
