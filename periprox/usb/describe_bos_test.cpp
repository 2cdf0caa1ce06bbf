// BOS blocks as typical devices send them, beside the text that a person reads.
#include <gtest/gtest.h>

#include "periprox/usb/describe.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

std::string bos_text(std::string_view hex) {
  return render_text(describe_bos(parse_hex_bytes(hex).value()));
}

constexpr std::string_view kBos =
    "05 0f 5e 00 05 07 10 02 06 00 00 00 0a 10 03 00 0e 00 01 0a ff 07 14 10 "
    "04 00 5c f3 ee 30 d5 07 49 25 b0 01 80 2d 79 43 4c 30 1c 10 05 00 df 60 "
    "dd d8 89 45 c7 4c 9c d2 65 9d 9e 64 8a 9f 00 00 03 06 9e 00 20 00 18 10 "
    "05 00 38 b6 08 34 a9 09 a0 47 8b fd a0 76 88 15 b6 65 00 01 21 01";

TEST(DescribeBos, WritesPlatformCapabilitiesByName) {
  EXPECT_EQ(bos_text(kBos), R"(BOS
  wTotalLength    94
  bNumDeviceCaps  5
  Device Capability 0x02  USB 2.0 Extension
    bmAttributes  0x00000006  link power management, BESL
  Device Capability 0x03  SuperSpeed USB
    bmAttributes           0x00
    wSpeedsSupported       0x000e  full, high, super
    bFunctionalitySupport  1       all functions from full speed
    bU1DevExitLat          10      10 us
    wU2DevExitLat          2047    2047 us
  Device Capability 0x04  Container ID
    ContainerID  30eef35c-07d5-2549-b001-802d79434c30
  Device Capability 0x05  Platform
    PlatformCapabilityUUID  d8dd60df-4589-4cc7-9cd2-659d9e648a9f  Microsoft OS 2.0 descriptors
    dwWindowsVersion               0x06030000  Windows 8.1
    wMSOSDescriptorSetTotalLength  158         158 bytes
    bMS_VendorCode                 0x20
    bAltEnumCode                   0x00
  Device Capability 0x05  Platform
    PlatformCapabilityUUID  3408b638-09a9-47a0-8bfd-a0768815b665  WebUSB
    bcdVersion    1.00
    bVendorCode   0x21
    iLandingPage  1
)");
}

constexpr std::string_view kSuperSpeedPlusBos =
    "05 0f 2d 00 04 07 10 02 02 00 00 00 0a 10 03 00 0e 00 01 0a ff 07 14 10 "
    "0a 00 01 00 00 00 00 11 00 00 30 40 0a 00 b0 40 0a 00 03 10 0b";

TEST(DescribeBos, WritesSublinkSpeeds) {
  EXPECT_EQ(bos_text(kSuperSpeedPlusBos), R"(BOS
  wTotalLength       45
  bNumDeviceCaps     4
  Device Capability 0x02  USB 2.0 Extension
    bmAttributes  0x00000002  link power management
  Device Capability 0x03  SuperSpeed USB
    bmAttributes           0x00
    wSpeedsSupported       0x000e  full, high, super
    bFunctionalitySupport  1       all functions from full speed
    bU1DevExitLat          10      10 us
    wU2DevExitLat          2047    2047 us
  Device Capability 0x0a  SuperSpeedPlus USB
    bmAttributes           0x00000001  2 sublink speed attributes, 1 ids
    wFunctionalitySupport  0x1100      id 0, at least 1 receive and 1 transmit lanes
    bmSublinkSpeedAttr     0x000a4030  10 Gbit/s receive, symmetric, SuperSpeedPlus, id 0
    bmSublinkSpeedAttr     0x000a40b0  10 Gbit/s transmit, symmetric, SuperSpeedPlus, id 0
  Device Capability  0x0b  Precision Time Measurement
)");
}

constexpr std::string_view kMalformedBos = "05 0f 09 00 ff 02 10 00 04";

TEST(DescribeBos, WritesWhatIsWrong) {
  EXPECT_EQ(bos_text(kMalformedBos), R"(BOS
  wTotalLength     9
  bNumDeviceCaps   255
  Descriptor 0x10  02 10
  finding  device capability without bDevCapabilityType
  finding  bLength is 0, less than a header; the rest is not read
  finding  bNumDeviceCaps is 255 but there are 1
)");
}

TEST(DescribeBos, ShowsBytesThatAreNoBos) {
  EXPECT_EQ(bos_text("05 02 05 00 00"), "BOS  05 02 05 00 00  not a BOS descriptor\n");
}

}  // namespace
}  // namespace periprox::usb
