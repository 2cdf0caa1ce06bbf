#include "periprox/usb/hid_report.hpp"

#include <gtest/gtest.h>

#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

using Kind = HidField::Kind;

std::vector<std::byte> hex(std::string_view text) { return parse_hex_bytes(text).value(); }

/// The boot keyboard of HID 1.11, appendix B.1.
const std::vector<HidField> kKeyboard = parse_report_descriptor(
    hex("05010906a101050719e029e71500250175019508810295017508810195057501050819012905910295017503"
        "9101950675081500256505071900296581"
        "00c0"));

/// A mouse with a wheel, its report id 2.
const std::vector<HidField> kMouse = parse_report_descriptor(
    hex("05010902a1018502050919012903150025017501950381027505950181010501093009310938158125"
        "7f750895038106c0"));

TEST(HidReport, NamesKeysAndModifiers) {
  EXPECT_EQ(hid_report_text(kKeyboard, Kind::Input, hex("0200041e00000000")), "Left Shift, a, 1");
  EXPECT_EQ(hid_report_text(kKeyboard, Kind::Input, hex("0000283a4f00e000")), "Enter, F1, Right");
}

TEST(HidReport, SaysWhenNothingIsPressed) {
  EXPECT_EQ(hid_report_text(kKeyboard, Kind::Input, hex("0000000000000000")), "nothing");
}

TEST(HidReport, NamesLedsOfTheOutputReport) {
  EXPECT_EQ(hid_report_text(kKeyboard, Kind::Output, hex("03")), "Num Lock, Caps Lock");
}

TEST(HidReport, SignedValuesAfterAReportId) {
  EXPECT_EQ(hid_report_text(kMouse, Kind::Input, hex("0205fd0500")),
            "Button 1, Button 3, X -3, Y 5");
  EXPECT_EQ(hid_report_text(kMouse, Kind::Input, hex("0300000000")), "");
}

TEST(HidReport, ShortReportSaysWhatIsThere) {
  EXPECT_EQ(hid_report_text(kMouse, Kind::Input, hex("0201")), "Button 1");
  EXPECT_EQ(hid_report_text(kMouse, Kind::Input, {}), "");
}

TEST(HidReport, BoundsWhatADescriptorAsksFor) {
  // 2^32 - 1 values of 32 bits.
  EXPECT_TRUE(parse_report_descriptor(hex("7520 97ffffffff 8102")).empty());
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "7501 9501 8102 ";
  EXPECT_LE(parse_report_descriptor(hex(many)).size(), kMaxHidFields);
  EXPECT_TRUE(parse_report_descriptor(hex("fe05")).empty());
}

}  // namespace
}  // namespace periprox::usb
