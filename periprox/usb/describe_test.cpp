// Descriptors as typical devices send them, beside the text that a person reads.
#include "periprox/usb/describe.hpp"

#include <gtest/gtest.h>

#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

std::vector<std::byte> block(std::string_view hex) { return parse_hex_bytes(hex).value(); }

Configuration configuration(std::string_view hex) {
  return parse_configuration(block(hex)).value().configuration;
}

std::string configuration_text(std::string_view hex, Speed speed) {
  return render_text(describe_configuration(configuration(hex), speed));
}

constexpr std::string_view kKeyboard =
    "09 02 22 00 01 01 00 a0 2d 09 04 00 00 01 03 01 01 00 09 21 10 01 00 01 "
    "22 41 00 07 05 81 03 08 00 0a";

TEST(Describe, WritesAWholeDevice) {
  DeviceModel model(Speed::Full,
                    DeviceDescriptor{.bcdUSB = 0x0110,
                                     .bMaxPacketSize0 = 8,
                                     .idVendor = 0x1209,
                                     .idProduct = 0x0001,
                                     .bcdDevice = 0x6402,
                                     .iManufacturer = 1,
                                     .iProduct = 2,
                                     .bNumConfigurations = 1},
                    {configuration(kKeyboard)});
  model.manufacturer = "Example";
  model.product = "Keyboard";
  ASSERT_TRUE(model.set_configuration(1));
  EXPECT_EQ(render_text(describe(model)), R"(Device 0x1209.0x0001  Example Keyboard
  speed               full  12 Mbit/s
  bcdUSB              1.10
  bDeviceClass        0x00  Defined by Interfaces
  bDeviceSubClass     0x00
  bDeviceProtocol     0x00
  bMaxPacketSize0     8     8 bytes
  idVendor            0x1209
  idProduct           0x0001
  bcdDevice           64.02
  iManufacturer       1     "Example"
  iProduct            2     "Keyboard"
  iSerialNumber       0
  bNumConfigurations  1
  Configuration 1  active
    wTotalLength         34
    bNumInterfaces       1
    bConfigurationValue  1
    iConfiguration       0
    bmAttributes         0xa0  bus-powered, remote wakeup
    bMaxPower            45    90 mA
    Interface 0 alternate setting 0  Human Interface Device, boot keyboard
      bInterfaceNumber    0
      bAlternateSetting   0
      bNumEndpoints       1
      bInterfaceClass     0x03  Human Interface Device
      bInterfaceSubClass  0x01
      bInterfaceProtocol  0x01  boot keyboard
      iInterface          0
      HID
        bcdHID             1.10
        bCountryCode       0
        bNumDescriptors    1
        bDescriptorType    0x22  report
        wDescriptorLength  65    65 bytes
      Endpoint 0x81  interrupt IN
        bEndpointAddress  0x81    1 IN
        bmAttributes      0x03    interrupt
        wMaxPacketSize    0x0008  8 bytes
        bInterval         10      10 ms
)");
}

constexpr std::string_view kCamera =
    "09 02 4c 00 02 01 00 80 fa 08 0b 00 02 0e 03 00 00 09 04 00 00 01 0e 01 "
    "00 00 0d 24 01 00 01 0d 00 00 80 c3 c9 01 01 07 05 81 03 10 00 08 05 25 "
    "03 10 00 09 04 01 00 00 0e 02 00 00 09 04 01 01 01 0e 02 00 00 07 05 82 "
    "05 00 14 01";

TEST(DescribeConfiguration, WritesAssociationsAndHighBandwidthEndpoints) {
  EXPECT_EQ(configuration_text(kCamera, Speed::High), R"(Configuration 1
  wTotalLength         76
  bNumInterfaces       2
  bConfigurationValue  1
  iConfiguration       0
  bmAttributes         0x80  bus-powered
  bMaxPower            250   500 mA
  Interface Association 0-1  Video, Video Interface Collection
    bFirstInterface    0
    bInterfaceCount    2
    bFunctionClass     0x0e  Video
    bFunctionSubClass  0x03
    bFunctionProtocol  0x00  Video Interface Collection
    iFunction          0
  Interface 0 alternate setting 0  Video, Video Control
    bInterfaceNumber    0
    bAlternateSetting   0
    bNumEndpoints       1
    bInterfaceClass     0x0e  Video
    bInterfaceSubClass  0x01
    bInterfaceProtocol  0x00  Video Control
    iInterface          0
    Class-specific Interface  0d 24 01 00 01 0d 00 00 80 c3 c9 01 01
    Endpoint 0x81  interrupt IN
      bEndpointAddress  0x81    1 IN
      bmAttributes      0x03    interrupt
      wMaxPacketSize    0x0010  16 bytes
      bInterval         8       16 ms
      Class-specific Endpoint  05 25 03 10 00
  Interface 1 alternate setting 0  Video, Video Streaming
    bInterfaceNumber    1
    bAlternateSetting   0
    bNumEndpoints       0
    bInterfaceClass     0x0e  Video
    bInterfaceSubClass  0x02
    bInterfaceProtocol  0x00  Video Streaming
    iInterface          0
  Interface 1 alternate setting 1  Video, Video Streaming
    bInterfaceNumber    1
    bAlternateSetting   1
    bNumEndpoints       1
    bInterfaceClass     0x0e  Video
    bInterfaceSubClass  0x02
    bInterfaceProtocol  0x00  Video Streaming
    iInterface          0
    Endpoint 0x82  isochronous IN
      bEndpointAddress  0x82    2 IN
      bmAttributes      0x05    isochronous, asynchronous, data
      wMaxPacketSize    0x1400  3 x 1024 bytes
      bInterval         1       125 us
)");
}

constexpr std::string_view kAudio =
    "09 02 4f 00 02 01 00 80 32 09 04 00 00 00 01 01 00 00 09 24 01 00 01 09 "
    "00 01 01 09 04 01 00 00 01 02 00 00 09 04 01 01 01 01 02 00 00 07 24 01 "
    "01 01 01 00 0b 24 02 01 02 02 10 01 44 ac 00 09 05 01 09 c4 00 01 00 00 "
    "07 25 01 01 00 00 00";

TEST(DescribeConfiguration, WritesNineByteEndpoints) {
  EXPECT_EQ(configuration_text(kAudio, Speed::Full), R"(Configuration 1
  wTotalLength         79
  bNumInterfaces       2
  bConfigurationValue  1
  iConfiguration       0
  bmAttributes         0x80  bus-powered
  bMaxPower            50    100 mA
  Interface 0 alternate setting 0  Audio, Audio Control 1.0
    bInterfaceNumber    0
    bAlternateSetting   0
    bNumEndpoints       0
    bInterfaceClass     0x01  Audio
    bInterfaceSubClass  0x01
    bInterfaceProtocol  0x00  Audio Control 1.0
    iInterface          0
    Class-specific Interface  09 24 01 00 01 09 00 01 01
  Interface 1 alternate setting 0  Audio, Audio Streaming 1.0
    bInterfaceNumber    1
    bAlternateSetting   0
    bNumEndpoints       0
    bInterfaceClass     0x01  Audio
    bInterfaceSubClass  0x02
    bInterfaceProtocol  0x00  Audio Streaming 1.0
    iInterface          0
  Interface 1 alternate setting 1  Audio, Audio Streaming 1.0
    bInterfaceNumber    1
    bAlternateSetting   1
    bNumEndpoints       1
    bInterfaceClass     0x01  Audio
    bInterfaceSubClass  0x02
    bInterfaceProtocol  0x00  Audio Streaming 1.0
    iInterface          0
    Class-specific Interface  07 24 01 01 01 01 00
    Class-specific Interface  0b 24 02 01 02 02 10 01 44 ac 00
    Endpoint 0x01  isochronous OUT
      bEndpointAddress  0x01    1 OUT
      bmAttributes      0x09    isochronous, adaptive, data
      wMaxPacketSize    0x00c4  196 bytes
      bInterval         1       1 ms
      bRefresh          0
      bSynchAddress     0x00
      Class-specific Endpoint  07 25 01 01 00 00 00
)");
}

constexpr std::string_view kDisk =
    "09 02 79 00 01 01 00 c0 0c 09 04 00 00 02 08 06 50 00 07 05 81 02 00 04 "
    "00 06 30 0f 00 00 00 07 05 02 02 00 04 00 06 30 0f 00 00 00 09 04 00 01 "
    "04 08 06 62 00 07 05 81 02 00 04 00 06 30 0f 04 00 00 04 24 03 00 07 05 "
    "02 02 00 04 00 06 30 0f 04 00 00 04 24 04 00 07 05 83 02 00 04 00 06 30 "
    "0f 04 00 00 04 24 02 00 07 05 04 02 00 04 00 06 30 00 00 00 00 04 24 01 "
    "00";

TEST(DescribeConfiguration, WritesCompanionsAndPipes) {
  EXPECT_EQ(configuration_text(kDisk, Speed::Super), R"(Configuration 1
  wTotalLength         121
  bNumInterfaces       1
  bConfigurationValue  1
  iConfiguration       0
  bmAttributes         0xc0  self-powered
  bMaxPower            12    96 mA
  Interface 0 alternate setting 0  Mass Storage, SCSI, Bulk-Only
    bInterfaceNumber    0
    bAlternateSetting   0
    bNumEndpoints       2
    bInterfaceClass     0x08  Mass Storage
    bInterfaceSubClass  0x06
    bInterfaceProtocol  0x50  SCSI, Bulk-Only
    iInterface          0
    Endpoint 0x81  bulk IN
      bEndpointAddress  0x81    1 IN
      bmAttributes      0x02    bulk
      wMaxPacketSize    0x0400  1024 bytes
      bInterval         0
      SuperSpeed Endpoint Companion
        bMaxBurst          15  16 packets
        bmAttributes       0x00
        wBytesPerInterval  0
    Endpoint 0x02  bulk OUT
      bEndpointAddress  0x02    2 OUT
      bmAttributes      0x02    bulk
      wMaxPacketSize    0x0400  1024 bytes
      bInterval         0
      SuperSpeed Endpoint Companion
        bMaxBurst          15  16 packets
        bmAttributes       0x00
        wBytesPerInterval  0
  Interface 0 alternate setting 1  Mass Storage, SCSI, UAS
    bInterfaceNumber    0
    bAlternateSetting   1
    bNumEndpoints       4
    bInterfaceClass     0x08  Mass Storage
    bInterfaceSubClass  0x06
    bInterfaceProtocol  0x62  SCSI, UAS
    iInterface          0
    Endpoint 0x81  bulk IN
      bEndpointAddress  0x81    1 IN
      bmAttributes      0x02    bulk
      wMaxPacketSize    0x0400  1024 bytes
      bInterval         0
      SuperSpeed Endpoint Companion
        bMaxBurst          15    16 packets
        bmAttributes       0x04  16 streams
        wBytesPerInterval  0
      Pipe Usage
        bPipeID  3  data-in
    Endpoint 0x02  bulk OUT
      bEndpointAddress  0x02    2 OUT
      bmAttributes      0x02    bulk
      wMaxPacketSize    0x0400  1024 bytes
      bInterval         0
      SuperSpeed Endpoint Companion
        bMaxBurst          15    16 packets
        bmAttributes       0x04  16 streams
        wBytesPerInterval  0
      Pipe Usage
        bPipeID  4  data-out
    Endpoint 0x83  bulk IN
      bEndpointAddress  0x83    3 IN
      bmAttributes      0x02    bulk
      wMaxPacketSize    0x0400  1024 bytes
      bInterval         0
      SuperSpeed Endpoint Companion
        bMaxBurst          15    16 packets
        bmAttributes       0x04  16 streams
        wBytesPerInterval  0
      Pipe Usage
        bPipeID  2  status
    Endpoint 0x04  bulk OUT
      bEndpointAddress  0x04    4 OUT
      bmAttributes      0x02    bulk
      wMaxPacketSize    0x0400  1024 bytes
      bInterval         0
      SuperSpeed Endpoint Companion
        bMaxBurst          0  1 packet
        bmAttributes       0x00
        wBytesPerInterval  0
      Pipe Usage
        bPipeID  1  command
)");
}

constexpr std::string_view kOtgAndSuperSpeedPlus =
    "09 02 3b 00 01 01 00 a0 32 05 09 03 20 01 09 04 00 00 00 01 02 00 20 09 "
    "04 00 01 01 01 02 00 20 07 05 81 05 00 04 01 06 30 0f 82 00 00 08 31 00 "
    "00 00 00 03 00 06 24 01 02 03 ff";

TEST(DescribeConfiguration, WritesOtgAndSuperSpeedPlusCompanions) {
  EXPECT_EQ(configuration_text(kOtgAndSuperSpeedPlus, Speed::SuperPlus), R"(Configuration 1
  wTotalLength         59
  bNumInterfaces       1
  bConfigurationValue  1
  iConfiguration       0
  bmAttributes         0xa0  bus-powered, remote wakeup
  bMaxPower            50    400 mA
  OTG
    bmAttributes  0x03  SRP, HNP
    bcdOTG        1.20
  Interface 0 alternate setting 0  Audio, Audio Streaming 1.0
    bInterfaceNumber    0
    bAlternateSetting   0
    bNumEndpoints       0
    bInterfaceClass     0x01  Audio
    bInterfaceSubClass  0x02
    bInterfaceProtocol  0x00  Audio Streaming 1.0
    iInterface          32
  Interface 0 alternate setting 1  Audio, Audio Streaming 1.0
    bInterfaceNumber    0
    bAlternateSetting   1
    bNumEndpoints       1
    bInterfaceClass     0x01  Audio
    bInterfaceSubClass  0x02
    bInterfaceProtocol  0x00  Audio Streaming 1.0
    iInterface          32
    Endpoint 0x81  isochronous IN
      bEndpointAddress  0x81    1 IN
      bmAttributes      0x05    isochronous, asynchronous, data
      wMaxPacketSize    0x0400  1024 bytes
      bInterval         1       125 us
      SuperSpeed Endpoint Companion
        bMaxBurst          15    16 packets
        bmAttributes       0x82  SuperSpeedPlus companion follows
        wBytesPerInterval  0
      SuperSpeedPlus Isochronous Endpoint Companion
        dwBytesPerInterval  196608
      Class-specific Interface  06 24 01 02 03 ff
)");
}

constexpr std::string_view kDfu =
    "09 02 1b 00 01 01 00 a0 32 09 04 00 00 00 fe 01 01 00 09 21 0b ff 00 00 "
    "08 1a 01";

TEST(DescribeConfiguration, TellsADfuDescriptorFromAHidOne) {
  EXPECT_EQ(configuration_text(kDfu, Speed::Full), R"(Configuration 1
  wTotalLength         27
  bNumInterfaces       1
  bConfigurationValue  1
  iConfiguration       0
  bmAttributes         0xa0  bus-powered, remote wakeup
  bMaxPower            50    100 mA
  Interface 0 alternate setting 0  Application Specific, Device Firmware Upgrade, runtime
    bInterfaceNumber    0
    bAlternateSetting   0
    bNumEndpoints       0
    bInterfaceClass     0xfe  Application Specific
    bInterfaceSubClass  0x01
    bInterfaceProtocol  0x01  Device Firmware Upgrade, runtime
    iInterface          0
    DFU Functional
      bmAttributes    0x0b  download, upload, will detach
      wDetachTimeOut  255   255 ms
      wTransferSize   2048  2048 bytes
      bcdDFUVersion   1.1a
)");
}

TEST(DescribeConfiguration, ShowsWhatIsOdd) {
  const auto node = describe_configuration(configuration(kKeyboard), Speed::High);
  EXPECT_EQ(node.find("finding"), nullptr);
  const auto slow = describe_configuration(configuration(kDisk), Speed::Low);
  EXPECT_NE(slow.find("finding"), nullptr);
}

TEST(DescribeConfiguration, NamesStringsThatWereRead) {
  auto with_string = configuration(kKeyboard);
  with_string.descriptor.iConfiguration = 4;
  const auto node = describe_configuration(with_string, Speed::Full, {{4, "Default"}});
  ASSERT_NE(node.find("iConfiguration"), nullptr);
  EXPECT_EQ(node.find("iConfiguration")->note, "\"Default\"");
}

TEST(Describe, MarksTheActiveSetting) {
  DeviceModel model(Speed::Super, DeviceDescriptor{}, {configuration(kDisk)});
  ASSERT_TRUE(model.set_configuration(1));
  ASSERT_TRUE(model.set_interface(0, 1));
  const auto node = describe(model);
  const auto& settings = node.find("Configuration")->children;
  std::vector<std::string> notes;
  for (const auto& child : settings) {
    if (child.name == "Interface") notes.push_back(child.note);
  }
  EXPECT_EQ(notes, (std::vector<std::string>{"Mass Storage, SCSI, Bulk-Only",
                                             "Mass Storage, SCSI, UAS, active"}));
}

TEST(Describe, WritesADeviceWithoutConfigurations) {
  const auto node = describe(DeviceModel(Speed::High, DeviceDescriptor{}, {}));
  EXPECT_EQ(node.find("Configuration"), nullptr);
  EXPECT_EQ(node.find("bNumConfigurations")->value, "0");
}

TEST(DescribeRaw, ShowsUnknownDescriptorsInHexadecimal) {
  EXPECT_EQ(render_text(describe_raw(block("04 77 aa bb"))), "Descriptor 0x77  04 77 aa bb\n");
}

TEST(DescribeRaw, SurvivesDescriptorsThatAreTooShort) {
  EXPECT_EQ(render_text(describe_raw({})), "Descriptor\n");
  EXPECT_EQ(render_text(describe_raw(block("02"))), "Descriptor  02\n");
  EXPECT_EQ(render_text(describe_raw(block("02 09"))), "OTG  02 09\n");
  EXPECT_EQ(render_text(describe_raw(block("03 21 10"), {3, 0, 0})), "HID  03 21 10\n");
  EXPECT_EQ(render_text(describe_raw(block("03 21 10"), {0xfe, 1, 1})),
            "DFU Functional  03 21 10\n");
  EXPECT_EQ(render_text(describe_raw(block("02 24"), {8, 6, 0x62})), "Pipe Usage  02 24\n");
  EXPECT_EQ(render_text(describe_raw(block("02 31"))),
            "SuperSpeedPlus Isochronous Endpoint Companion  02 31\n");
}

TEST(DescribeRaw, ShowsNoMoreHidReportsThanThereAre) {
  EXPECT_EQ(render_text(describe_raw(block("09 21 11 01 00 ff 22 41 00"), {3, 0, 0})),
            "HID\n"
            "  bcdHID             1.11\n"
            "  bCountryCode       0\n"
            "  bNumDescriptors    255\n"
            "  bDescriptorType    0x22  report\n"
            "  wDescriptorLength  65    65 bytes\n");
}

}  // namespace
}  // namespace periprox::usb
