#include "periprox/usb/class_names.hpp"

#include <gtest/gtest.h>

namespace periprox::usb {
namespace {

TEST(ClassName, IsTheOneOfUsbIf) {
  EXPECT_EQ(class_name(0x00), "Defined by Interfaces");
  EXPECT_EQ(class_name(0x03), "Human Interface Device");
  EXPECT_EQ(class_name(0x08), "Mass Storage");
  EXPECT_EQ(class_name(0xff), "Vendor Specific");
}

TEST(ClassName, IsEmptyForACodeThatWasNotGivenOut) { EXPECT_EQ(class_name(0x77), ""); }

TEST(ProtocolName, SaysMoreThanTheClass) {
  EXPECT_EQ(protocol_name({3, 1, 1}), "boot keyboard");
  EXPECT_EQ(protocol_name({8, 6, 0x62}), "SCSI, UAS");
  EXPECT_EQ(protocol_name({0xe0, 1, 1}), "Bluetooth");
}

TEST(ProtocolName, IsEmptyForAProtocolWithoutAName) {
  EXPECT_EQ(protocol_name({3, 1, 9}), "");
  EXPECT_EQ(protocol_name({0xff, 0xff, 0xff}), "");
}

}  // namespace
}  // namespace periprox::usb
