#include "periprox/wire/export_line.hpp"

#include <gtest/gtest.h>

namespace periprox::wire {
namespace {

TEST(ExportLine, IsWrittenAsQubesDoes) {
  EXPECT_EQ(encode_export_line({.devid = 0x00020003, .speed = usb::Speed::High}), "131075 480\n");
  EXPECT_EQ(encode_export_line({.devid = 1, .speed = usb::Speed::Low}), "1 1.5\n");
}

TEST(ExportLine, IsReadBack) {
  EXPECT_EQ(decode_export_line("131075 480"),
            (ExportLine{.devid = 0x00020003, .speed = usb::Speed::High}));
  EXPECT_EQ(decode_export_line("4294967295 20000"),
            (ExportLine{.devid = 0xffffffff, .speed = usb::Speed::SuperPlus}));
}

TEST(ExportLine, SkipsReservedWords) {
  EXPECT_EQ(decode_export_line("7 5000 and more"),
            (ExportLine{.devid = 7, .speed = usb::Speed::Super}));
}

TEST(ExportLine, RefusesWhatIsNoDeviceNumber) {
  EXPECT_FALSE(decode_export_line(""));
  EXPECT_FALSE(decode_export_line(" 480"));
  EXPECT_FALSE(decode_export_line("-1 480"));
  EXPECT_FALSE(decode_export_line("4294967296 480"));
  EXPECT_FALSE(decode_export_line("0x10 480"));
  EXPECT_FALSE(decode_export_line("12"));
  EXPECT_FALSE(decode_export_line("12\t480"));
}

TEST(ExportLine, RefusesWhatIsNoSpeed) {
  EXPECT_FALSE(decode_export_line("7 "));
  EXPECT_FALSE(decode_export_line("7 481"));
  EXPECT_FALSE(decode_export_line("7 480Mbit"));
  EXPECT_FALSE(decode_export_line("7  480"));
}

TEST(ExportLine, ShowsNoControlCharactersInItsError) {
  const auto line = decode_export_line("\x1b[31mred");
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().what, "'?[31mred' does not announce a device");
}

}  // namespace
}  // namespace periprox::wire
