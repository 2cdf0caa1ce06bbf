// Blocks as typical devices send them, byte for byte, and a zoo of malformed ones.
#include "periprox/usb/configuration.hpp"

#include <gmock/gmock.h>

#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::byte> block(std::string_view hex) { return parse_hex_bytes(hex).value(); }

/// A configuration header for `body`, with the right wTotalLength.
std::vector<std::byte> configuration_of(std::uint8_t interfaces, std::string_view body_hex) {
  const auto body = block(body_hex);
  ByteWriter out;
  out.put(ConfigurationDescriptor{.wTotalLength = static_cast<std::uint16_t>(9 + body.size()),
                                  .bNumInterfaces = interfaces,
                                  .bConfigurationValue = 1});
  out.put_bytes(body);
  return out.release();
}

ParsedConfiguration parsed(const std::vector<std::byte>& bytes) {
  return parse_configuration(bytes).value();
}

std::vector<std::string> finding_texts(const ParsedConfiguration& configuration) {
  std::vector<std::string> texts;
  for (const auto& finding : configuration.findings) texts.push_back(finding.text);
  return texts;
}

// A composite keyboard: two HID interfaces.
constexpr std::string_view kKeyboard =
    "09 02 3b 00 02 01 00 a0 32  09 04 00 00 01 03 01 01 00  09 21 11 01 00 01 22 41 00"
    "07 05 81 03 08 00 0a  09 04 01 00 01 03 01 02 00  09 21 11 01 00 01 22 5d 00"
    "07 05 82 03 04 00 0a";

// A SuperSpeed disk with Bulk-Only in setting 0 and UAS in setting 1.
constexpr std::string_view kUas =
    "09 02 79 00 01 01 00 c0 0c"
    "09 04 00 00 02 08 06 50 00  07 05 81 02 00 04 00  06 30 0f 00 00 00"
    "07 05 02 02 00 04 00  06 30 0f 00 00 00"
    "09 04 00 01 04 08 06 62 00  07 05 81 02 00 04 00  06 30 0f 04 00 00  04 24 03 00"
    "07 05 02 02 00 04 00  06 30 0f 04 00 00  04 24 04 00"
    "07 05 83 02 00 04 00  06 30 0f 04 00 00  04 24 02 00"
    "07 05 04 02 00 04 00  06 30 00 00 00 00  04 24 01 00";

// A serial adapter: an association over a control and a data interface.
constexpr std::string_view kAcm =
    "09 02 4b 00 02 01 00 c0 32  08 0b 00 02 02 02 00 00  09 04 00 00 01 02 02 01 00"
    "05 24 00 10 01  05 24 01 00 01  04 24 02 02  05 24 06 00 01  07 05 82 03 08 00 10"
    "09 04 01 00 02 0a 00 00 00  07 05 01 02 40 00 00  07 05 81 02 40 00 00";

// An audio output, whose endpoint has nine bytes.
constexpr std::string_view kAudio =
    "09 02 4f 00 02 01 00 80 32  09 04 00 00 00 01 01 00 00  09 24 01 00 01 09 00 01 01"
    "09 04 01 00 00 01 02 00 00  09 04 01 01 01 01 02 00 00  07 24 01 01 01 01 00"
    "0b 24 02 01 02 02 10 01 44 ac 00  09 05 01 09 c4 00 01 02 83  07 25 01 01 00 00 00";

TEST(ParseConfiguration, ReadsInterfacesAndEndpointsOfAKeyboard) {
  const auto result = parsed(block(kKeyboard));
  EXPECT_THAT(result.findings, IsEmpty());
  const auto& configuration = result.configuration;
  EXPECT_EQ(configuration.descriptor.bMaxPower, 50);
  ASSERT_THAT(configuration.interfaces, SizeIs(2));
  ASSERT_THAT(configuration.interfaces[1].alternate_settings, SizeIs(1));
  const auto& mouse = configuration.interfaces[1].alternate_settings[0];
  EXPECT_EQ(mouse.descriptor.class_code(), (ClassCode{3, 1, 2}));
  EXPECT_THAT(mouse.extra, ElementsAre(block("09 21 11 01 00 01 22 5d 00")));
  ASSERT_THAT(mouse.endpoints, SizeIs(1));
  EXPECT_EQ(mouse.endpoints[0].address(), EndpointAddress(0x82));
  EXPECT_EQ(mouse.endpoints[0].type(), TransferType::Interrupt);
  EXPECT_EQ(mouse.endpoints[0].max_packet_size(), 4U);
}

TEST(ParseConfiguration, KeepsAlternateSettingsWithTheirInterface) {
  const auto result = parsed(block(kUas));
  EXPECT_THAT(result.findings, IsEmpty());
  ASSERT_THAT(result.configuration.interfaces, SizeIs(1));
  const auto& disk = result.configuration.interfaces[0];
  ASSERT_THAT(disk.alternate_settings, SizeIs(2));
  ASSERT_NE(disk.alternate(1), nullptr);
  EXPECT_EQ(disk.alternate(1)->descriptor.bInterfaceProtocol, 0x62);
  EXPECT_EQ(disk.alternate(2), nullptr);
}

TEST(ParseConfiguration, KeepsCompanionsWithTheirEndpoint) {
  const auto result = parsed(block(kUas));
  const auto& status_pipe =
      result.configuration.interfaces.at(0).alternate_settings.at(1).endpoints.at(2);
  ASSERT_TRUE(status_pipe.companion.has_value());
  EXPECT_EQ(status_pipe.companion->bMaxBurst, 15);
  EXPECT_EQ(status_pipe.companion->bmAttributes, 4);
  EXPECT_THAT(status_pipe.extra, ElementsAre(block("04 24 02 00")));
}

TEST(ParseConfiguration, KeepsAssociationsApart) {
  const auto result = parsed(block(kAcm));
  EXPECT_THAT(result.findings, IsEmpty());
  ASSERT_THAT(result.configuration.associations, SizeIs(1));
  EXPECT_EQ(result.configuration.associations[0].bInterfaceCount, 2);
  EXPECT_THAT(result.configuration.extra, IsEmpty());
  EXPECT_THAT(result.configuration.interfaces.at(0).alternate_settings.at(0).extra, SizeIs(4));
}

TEST(ParseConfiguration, ReadsTheNineBytesOfAudioEndpoints) {
  const auto result = parsed(block(kAudio));
  EXPECT_THAT(result.findings, IsEmpty());
  const auto& endpoint =
      result.configuration.interfaces.at(1).alternate_settings.at(1).endpoints.at(0);
  EXPECT_EQ(endpoint.descriptor.bLength, 9);
  EXPECT_EQ(endpoint.bRefresh, 2);
  EXPECT_EQ(endpoint.bSynchAddress, 0x83);
}

TEST(ParseConfiguration, KeepsWhatStandsBeforeTheFirstInterface) {
  const auto result = parsed(configuration_of(1, "05 09 03 20 01  09 04 00 00 00 ff 00 00 00"));
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_THAT(result.configuration.extra, ElementsAre(block("05 09 03 20 01")));
}

TEST(ParseConfiguration, TakesAConfigurationWithoutInterfaces) {
  const auto result = parsed(configuration_of(0, ""));
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_THAT(result.configuration.interfaces, IsEmpty());
}

TEST(ParseConfiguration, GathersSettingsThatStandApart) {
  const auto result = parsed(configuration_of(
      2, "09 04 05 01 00 ff 00 00 00  09 04 02 00 00 ff 00 00 00  09 04 05 00 00 ff 00 00 00"));
  EXPECT_THAT(result.findings, IsEmpty());
  const auto& interfaces = result.configuration.interfaces;
  ASSERT_THAT(interfaces, SizeIs(2));
  EXPECT_EQ(interfaces[0].number, 5);
  ASSERT_THAT(interfaces[0].alternate_settings, SizeIs(2));
  EXPECT_EQ(interfaces[0].alternate_settings[0].descriptor.bAlternateSetting, 1);
  EXPECT_EQ(interfaces[0].alternate_settings[1].descriptor.bAlternateSetting, 0);
  EXPECT_EQ(interfaces[1].number, 2);
}

// --- The way back ------------------------------------------------------------------------------

TEST(BuildConfiguration, GivesBackTheBytesOfTypicalDevices) {
  EXPECT_EQ(build_configuration(parsed(block(kKeyboard)).configuration), block(kKeyboard));
  EXPECT_EQ(build_configuration(parsed(block(kUas)).configuration), block(kUas));
  EXPECT_EQ(build_configuration(parsed(block(kAcm)).configuration), block(kAcm));
  EXPECT_EQ(build_configuration(parsed(block(kAudio)).configuration), block(kAudio));
}

TEST(BuildConfiguration, IsUndoneByParsing) {
  const auto configuration = parsed(block(kUas)).configuration;
  const auto again = parsed(build_configuration(configuration));
  EXPECT_THAT(again.findings, IsEmpty());
  EXPECT_EQ(again.configuration, configuration);
}

TEST(BuildConfiguration, CountsForItself) {
  Configuration configuration;
  configuration.descriptor.bConfigurationValue = 1;
  configuration.interfaces.push_back({.number = 0, .alternate_settings = {{}}});
  configuration.interfaces[0].alternate_settings[0].endpoints.resize(1);
  EXPECT_EQ(hex_bytes(build_configuration(configuration)),
            "09 02 19 00 01 01 00 80 00 09 04 00 00 01 00 00 00 00 07 05 00 00 00 00 00");
}

TEST(BuildConfiguration, PutsAnAssociationBeforeItsFirstInterface) {
  Configuration configuration;
  configuration.associations.push_back({.bFirstInterface = 1, .bInterfaceCount = 1});
  configuration.interfaces.push_back({.number = 0, .alternate_settings = {{}}});
  configuration.interfaces.push_back({.number = 1, .alternate_settings = {{}}});
  configuration.interfaces[1].alternate_settings[0].descriptor.bInterfaceNumber = 1;
  EXPECT_EQ(hex_bytes(build_configuration(configuration)),
            "09 02 23 00 02 00 00 80 00 09 04 00 00 00 00 00 00 00 "
            "08 0b 01 01 00 00 00 00 09 04 01 00 00 00 00 00 00");
}

// --- The malformed zoo -------------------------------------------------------------------------

TEST(ParseConfiguration, RefusesWhatIsNoConfiguration) {
  EXPECT_FALSE(parse_configuration({}).has_value());
  EXPECT_FALSE(parse_configuration(block("09 02 09 00 00 01 00 80")).has_value());
  EXPECT_FALSE(parse_configuration(block("09 04 00 00 00 00 00 00 00")).has_value());
  EXPECT_FALSE(parse_configuration(block("08 02 09 00 00 01 00 80 00")).has_value());
  EXPECT_FALSE(parse_configuration(block("0a 02 09 00 00 01 00 80 00")).has_value());
}

TEST(ParseConfiguration, StopsAtALengthThatLeadsNowhere) {
  const auto zero = parsed(configuration_of(1, "09 04 00 00 00 ff 00 00 00  00 05 81 02"));
  EXPECT_THAT(zero.findings,
              ElementsAre(Finding{18, "bLength is 0, less than a header; the rest is not read"}));
  EXPECT_THAT(zero.configuration.interfaces, SizeIs(1));
  const auto one = parsed(configuration_of(1, "09 04 00 00 00 ff 00 00 00  01 05 81 02"));
  EXPECT_THAT(one.findings,
              ElementsAre(Finding{18, "bLength is 1, less than a header; the rest is not read"}));
}

TEST(ParseConfiguration, StopsAtADescriptorThatIsCut) {
  const auto result = parsed(configuration_of(1, "09 04 00 00 00 ff 00 00 00  07 05 81 02"));
  EXPECT_THAT(result.findings, ElementsAre(Finding{18, "bLength is 7 but only 4 bytes are left"}));
}

TEST(ParseConfiguration, StopsAtAStrayByte) {
  const auto result = parsed(configuration_of(1, "09 04 00 00 00 ff 00 00 00  07"));
  EXPECT_THAT(result.findings, ElementsAre(Finding{18, "one stray byte at the end"}));
}

TEST(ParseConfiguration, ReadsNoFurtherThanTotalLength) {
  auto bytes = block(kKeyboard);
  bytes[2] = std::byte{0x22};
  const auto result = parsed(bytes);
  EXPECT_THAT(result.configuration.interfaces, SizeIs(1));
  EXPECT_THAT(finding_texts(result), ElementsAre("wTotalLength is 34 but there are 59 bytes",
                                                 "bNumInterfaces is 2 but there are 1"));
}

TEST(ParseConfiguration, ReadsWhatIsThereWhenTotalLengthIsMore) {
  auto bytes = block(kKeyboard);
  bytes[2] = bytes[3] = std::byte{0xff};
  const auto result = parsed(bytes);
  EXPECT_THAT(result.configuration.interfaces, SizeIs(2));
  EXPECT_THAT(finding_texts(result), ElementsAre("wTotalLength is 65535 but there are 59 bytes"));
}

TEST(ParseConfiguration, TakesATotalLengthOfZeroForAHeaderAlone) {
  auto bytes = block(kKeyboard);
  bytes[2] = std::byte{0};
  const auto result = parsed(bytes);
  EXPECT_THAT(result.configuration.interfaces, IsEmpty());
}

TEST(ParseConfiguration, KeepsAnEndpointBeforeAnyInterfaceRaw) {
  const auto result =
      parsed(configuration_of(1, "07 05 81 02 00 02 00  09 04 00 00 00 ff 00 00 00"));
  EXPECT_THAT(result.findings, ElementsAre(Finding{9, "endpoint before the first interface"}));
  EXPECT_THAT(result.configuration.extra, ElementsAre(block("07 05 81 02 00 02 00")));
}

TEST(ParseConfiguration, KeepsACompanionWithoutAnEndpointRaw) {
  const auto result = parsed(configuration_of(1, "09 04 00 00 00 ff 00 00 00  06 30 00 00 00 00"));
  EXPECT_THAT(result.findings, ElementsAre(Finding{18, "endpoint companion without an endpoint"}));
  EXPECT_THAT(result.configuration.interfaces.at(0).alternate_settings.at(0).extra,
              ElementsAre(block("06 30 00 00 00 00")));
}

TEST(ParseConfiguration, KeepsTheSecondCompanionRaw) {
  const auto result = parsed(configuration_of(
      1, "09 04 00 00 01 ff 00 00 00  07 05 81 02 00 04 00  06 30 01 00 00 00  06 30 02 00 00 00"));
  EXPECT_THAT(finding_texts(result), ElementsAre("second companion of one endpoint"));
  const auto& endpoint =
      result.configuration.interfaces.at(0).alternate_settings.at(0).endpoints.at(0);
  EXPECT_EQ(endpoint.companion->bMaxBurst, 1);
  EXPECT_THAT(endpoint.extra, ElementsAre(block("06 30 02 00 00 00")));
}

TEST(ParseConfiguration, KeepsAShortCompanionRaw) {
  const auto result =
      parsed(configuration_of(1, "09 04 00 00 01 ff 00 00 00  07 05 81 02 00 04 00  03 30 0f"));
  EXPECT_THAT(finding_texts(result), ElementsAre("endpoint companion: too short"));
}

TEST(ParseConfiguration, SkipsAnInterfaceThatIsTooShortWithItsEndpoints) {
  const auto result = parsed(configuration_of(
      1, "03 04 00  07 05 81 02 00 02 00  09 04 01 00 01 ff 00 00 00  07 05 02 02 00 02 00"));
  EXPECT_THAT(result.findings, ElementsAre(Finding{9, "interface: bLength is 3, not 9"}));
  ASSERT_THAT(result.configuration.interfaces, SizeIs(1));
  EXPECT_EQ(result.configuration.interfaces[0].number, 1);
  EXPECT_THAT(result.configuration.extra, IsEmpty());
}

TEST(ParseConfiguration, SkipsASettingThatIsDescribedTwiceWithItsEndpoints) {
  const auto result = parsed(configuration_of(1,
                                              "09 04 00 00 01 ff 00 00 00  07 05 81 02 00 02 00  "
                                              "09 04 00 00 01 fe 00 00 00  07 05 02 02 00 "
                                              "02 00"));
  EXPECT_THAT(finding_texts(result),
              ElementsAre("interface 0: alternate setting 0 is described twice; the second one is "
                          "skipped"));
  const auto& settings = result.configuration.interfaces.at(0).alternate_settings;
  ASSERT_THAT(settings, SizeIs(1));
  EXPECT_EQ(settings[0].descriptor.bInterfaceClass, 0xff);
  ASSERT_THAT(settings[0].endpoints, SizeIs(1));
  EXPECT_EQ(settings[0].endpoints[0].address(), EndpointAddress(0x81));
}

TEST(ParseConfiguration, SkipsAnEndpointThatIsTooShort) {
  const auto result = parsed(configuration_of(1, "09 04 00 00 00 ff 00 00 00  06 05 81 02 00 02"));
  EXPECT_THAT(result.findings, ElementsAre(Finding{18, "endpoint: bLength is 6, not 7"}));
  EXPECT_THAT(result.configuration.interfaces.at(0).alternate_settings.at(0).endpoints, IsEmpty());
}

TEST(ParseConfiguration, ReadsDescriptorsThatAreTooLong) {
  const auto result =
      parsed(configuration_of(1, "0a 04 00 00 01 ff 00 00 00 aa  0a 05 81 03 08 00 0a bb cc dd"));
  EXPECT_THAT(finding_texts(result), ElementsAre("interface: bLength is 10, not 9",
                                                 "endpoint 0x81: bLength is 10, not 7"));
  EXPECT_THAT(result.configuration.interfaces.at(0).alternate_settings.at(0).endpoints, SizeIs(1));
}

TEST(ParseConfiguration, NotesCountsThatAreWrong) {
  const auto result = parsed(configuration_of(255, "09 04 00 00 ff ff 00 00 00"));
  EXPECT_THAT(finding_texts(result),
              ElementsAre("bNumInterfaces is 255 but there are 1",
                          "interface 0 alternate setting 0: bNumEndpoints is 255 but there are 0"));
}

TEST(ParseConfiguration, KeepsNoMoreInterfacesThanItsLimit) {
  ByteWriter body;
  for (unsigned i = 0; i < 200; ++i) {
    body.put(InterfaceDescriptor{.bInterfaceNumber = static_cast<std::uint8_t>(i)});
  }
  const auto result = parsed(configuration_of(200, hex_bytes(body.bytes())));
  EXPECT_THAT(result.configuration.interfaces, SizeIs(kMaxInterfaces));
  EXPECT_THAT(result.findings, SizeIs(200 - kMaxInterfaces + 1));
}

TEST(ParseConfiguration, KeepsNoMoreEndpointsThanItsLimit) {
  ByteWriter body;
  body.put(InterfaceDescriptor{.bNumEndpoints = 30});
  for (unsigned i = 0; i < 40; ++i) body.put(EndpointDescriptor{.bEndpointAddress = 0x81});
  const auto result = parsed(configuration_of(1, hex_bytes(body.bytes())));
  EXPECT_THAT(result.configuration.interfaces.at(0).alternate_settings.at(0).endpoints,
              SizeIs(kMaxEndpoints));
  EXPECT_THAT(result.findings, SizeIs(10));
}

TEST(ParseConfiguration, KeepsEveryAlternateSettingThatAByteCanName) {
  ByteWriter body;
  for (unsigned i = 0; i < 300; ++i) {
    body.put(InterfaceDescriptor{.bAlternateSetting = static_cast<std::uint8_t>(i)});
  }
  const auto result = parsed(configuration_of(1, hex_bytes(body.bytes())));
  EXPECT_THAT(result.configuration.interfaces.at(0).alternate_settings,
              SizeIs(kMaxAlternateSettings));
  EXPECT_THAT(result.findings, SizeIs(300 - kMaxAlternateSettings));
}

TEST(ParseConfiguration, KeepsNoMoreFindingsThanItsLimit) {
  ByteWriter body;
  for (unsigned i = 0; i < 5000; ++i) body.put(DescriptorHeader{2, 0x05});
  const auto result = parsed(configuration_of(0, hex_bytes(body.bytes())));
  ASSERT_THAT(result.findings, SizeIs(kMaxFindings));
  EXPECT_EQ(result.findings.back().text, "more is wrong from here on");
}

}  // namespace
}  // namespace periprox::usb
