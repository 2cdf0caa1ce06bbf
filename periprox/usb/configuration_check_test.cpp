#include <gmock/gmock.h>

#include "periprox/usb/configuration.hpp"

namespace periprox::usb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Endpoint endpoint(std::uint8_t address, TransferType type, std::uint16_t packet_size,
                  std::uint8_t interval = 1) {
  Endpoint result;
  result.descriptor.bEndpointAddress = address;
  result.descriptor.bmAttributes = static_cast<std::uint8_t>(type);
  result.descriptor.wMaxPacketSize = packet_size;
  result.descriptor.bInterval = interval;
  return result;
}

/// One interface whose setting 0 has these endpoints.
Configuration with(std::vector<Endpoint> endpoints) {
  Configuration configuration;
  configuration.descriptor.bConfigurationValue = 1;
  configuration.interfaces.push_back({.number = 0, .alternate_settings = {{}}});
  configuration.interfaces[0].alternate_settings[0].endpoints = std::move(endpoints);
  return configuration;
}

Configuration with(Endpoint only) { return with(std::vector{std::move(only)}); }

/// The same, in setting 1 of the interface.
Configuration in_setting_1(Endpoint only) {
  auto configuration = with(std::vector<Endpoint>{});
  auto& settings = configuration.interfaces[0].alternate_settings;
  settings.resize(2);
  settings[1].descriptor.bAlternateSetting = 1;
  settings[1].endpoints.push_back(std::move(only));
  return configuration;
}

std::vector<std::string> findings(const Configuration& configuration, Speed speed) {
  std::vector<std::string> texts;
  for (const auto& finding : check_configuration(configuration, speed))
    texts.push_back(finding.text);
  return texts;
}

TEST(CheckConfiguration, FindsNothingWrongWithSoundOnes) {
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 8)), Speed::Low), IsEmpty());
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Bulk, 64)), Speed::Full), IsEmpty());
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Bulk, 512)), Speed::High), IsEmpty());
  EXPECT_THAT(
      findings(in_setting_1(endpoint(0x81, TransferType::Isochronous, 0x1400)), Speed::High),
      IsEmpty());
  auto super = endpoint(0x81, TransferType::Bulk, 1024);
  super.companion = SsEndpointCompanionDescriptor{.bMaxBurst = 15};
  EXPECT_THAT(findings(with(super), Speed::Super), IsEmpty());
}

TEST(CheckConfiguration, NamesThePlaceAndThePacketSize) {
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Bulk, 64)), Speed::High),
              ElementsAre("configuration 1 interface 0 alternate setting 0 endpoint 0x81: "
                          "bulk at high speed takes 512 bytes, not 64"));
}

TEST(CheckConfiguration, FindsPacketsThatAreTooLarge) {
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 9)), Speed::Low),
              ElementsAre(HasSubstr("bytes, not 9")));
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 65)), Speed::Full),
              ElementsAre(HasSubstr("bytes, not 65")));
  EXPECT_THAT(findings(in_setting_1(endpoint(0x81, TransferType::Isochronous, 1024)), Speed::Full),
              ElementsAre(HasSubstr("bytes, not 1024")));
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 1025)), Speed::High),
              ElementsAre(HasSubstr("bytes, not 1025")));
}

TEST(CheckConfiguration, FindsEndpointsThatLowSpeedDoesNotHave) {
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Bulk, 8)), Speed::Low),
              ElementsAre(HasSubstr("only control and interrupt")));
}

TEST(CheckConfiguration, FindsAdditionalPacketsWhereThereAreNone) {
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Bulk, 0x0a00)), Speed::High),
              ElementsAre(HasSubstr("asks for additional packets")));
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 0x1c00)), Speed::High),
              ElementsAre(HasSubstr("4 packets in a microframe")));
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 0x0a00)), Speed::High),
              ElementsAre(HasSubstr("2 packets of too few bytes")));
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 0x1280)), Speed::High),
              ElementsAre(HasSubstr("3 packets of too few bytes")));
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 0x2008)), Speed::High),
              ElementsAre(HasSubstr("reserved bits")));
}

TEST(CheckConfiguration, FindsIntervalsOutOfRange) {
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 8, 0)), Speed::Full),
              ElementsAre(HasSubstr("bInterval is 0")));
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 8, 17)), Speed::High),
              ElementsAre(HasSubstr("bInterval is 17, more than 16")));
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Interrupt, 8, 17)), Speed::Full),
              IsEmpty());
}

TEST(CheckConfiguration, FindsBadAddresses) {
  EXPECT_THAT(findings(with(endpoint(0x80, TransferType::Bulk, 512)), Speed::High),
              ElementsAre(HasSubstr("number 0 belongs to the device")));
  EXPECT_THAT(findings(with(endpoint(0x91, TransferType::Bulk, 512)), Speed::High),
              ElementsAre(HasSubstr("bEndpointAddress uses reserved bits")));
}

TEST(CheckConfiguration, FindsAnAddressThatIsUsedTwiceInOneSetting) {
  const auto bulk = endpoint(0x81, TransferType::Bulk, 512);
  EXPECT_THAT(findings(with({bulk, bulk}), Speed::High),
              ElementsAre(HasSubstr("endpoint 0x81: the address is used twice in one setting")));
  EXPECT_THAT(findings(with({bulk, endpoint(0x01, TransferType::Bulk, 512)}), Speed::High),
              IsEmpty());
}

TEST(CheckConfiguration, FindsAnAddressThatIsUsedByTwoInterfaces) {
  auto configuration = with(endpoint(0x81, TransferType::Bulk, 512));
  configuration.interfaces.push_back(configuration.interfaces[0]);
  configuration.interfaces[1].number = 1;
  EXPECT_THAT(
      findings(configuration, Speed::High),
      ElementsAre("configuration 1 endpoint 0x81: belongs to interface 0 and to interface 1"));
}

TEST(CheckConfiguration, FindsIsochronousBandwidthInTheDefaultSetting) {
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Isochronous, 100)), Speed::Full),
              ElementsAre(HasSubstr("the default setting reserves isochronous bandwidth")));
  EXPECT_THAT(findings(with(endpoint(0x81, TransferType::Isochronous, 0)), Speed::Full), IsEmpty());
}

TEST(CheckConfiguration, FindsMissingAndMisplacedCompanions) {
  auto bulk = endpoint(0x81, TransferType::Bulk, 1024);
  EXPECT_THAT(findings(with(bulk), Speed::Super),
              ElementsAre(HasSubstr("has no SuperSpeed endpoint companion")));
  bulk.descriptor.wMaxPacketSize = 512;
  bulk.companion = SsEndpointCompanionDescriptor{};
  EXPECT_THAT(findings(with(bulk), Speed::High),
              ElementsAre(HasSubstr("has a companion below SuperSpeed")));
}

TEST(CheckConfiguration, FindsAbsurdCompanions) {
  auto isochronous = endpoint(0x81, TransferType::Isochronous, 1024);
  isochronous.companion =
      SsEndpointCompanionDescriptor{.bMaxBurst = 16, .bmAttributes = 3, .wBytesPerInterval = 65535};
  EXPECT_THAT(findings(in_setting_1(isochronous), Speed::Super),
              ElementsAre(HasSubstr("bMaxBurst is more than 15"), HasSubstr("Mult is more than 2"),
                          HasSubstr("wBytesPerInterval is more than its packets hold")));
  auto bulk = endpoint(0x81, TransferType::Bulk, 1024);
  bulk.companion = SsEndpointCompanionDescriptor{.wBytesPerInterval = 1};
  EXPECT_THAT(findings(with(bulk), Speed::Super),
              ElementsAre(HasSubstr("wBytesPerInterval of an endpoint that is not periodic")));
  auto small = endpoint(0x81, TransferType::Interrupt, 64);
  small.companion = SsEndpointCompanionDescriptor{.bMaxBurst = 1};
  EXPECT_THAT(findings(with(small), Speed::Super),
              ElementsAre(HasSubstr("bursts need packets of 1024 bytes")));
}

TEST(CheckConfiguration, FindsOddHeaders) {
  auto configuration = with(std::vector<Endpoint>{});
  configuration.descriptor.bConfigurationValue = 0;
  configuration.descriptor.bmAttributes = 0x01;
  configuration.descriptor.bMaxPower = 251;
  EXPECT_THAT(findings(configuration, Speed::High),
              ElementsAre(HasSubstr("bConfigurationValue is 0"), HasSubstr("bit 7 is not set"),
                          HasSubstr("reserved bits"), HasSubstr("more than a port gives")));
}

TEST(CheckConfiguration, MeasuresPowerByTheSpeed) {
  auto configuration = with(std::vector<Endpoint>{});
  configuration.descriptor.bMaxPower = 113;
  EXPECT_THAT(findings(configuration, Speed::High), IsEmpty());
  EXPECT_THAT(findings(configuration, Speed::Super),
              ElementsAre(HasSubstr("bMaxPower is more than a port gives")));
}

TEST(CheckConfiguration, FindsInterfacesOutOfOrderAndWithoutSettingZero) {
  auto configuration = with(std::vector<Endpoint>{});
  configuration.interfaces[0].number = 2;
  configuration.interfaces[0].alternate_settings[0].descriptor.bAlternateSetting = 1;
  EXPECT_THAT(findings(configuration, Speed::High),
              ElementsAre(HasSubstr("not numbered in order from 0"),
                          HasSubstr("there is no alternate setting 0")));
}

TEST(CheckConfiguration, FindsAssociationsThatDoNotFit) {
  auto configuration = with(std::vector<Endpoint>{});
  configuration.associations.push_back({.bFirstInterface = 0, .bInterfaceCount = 1});
  EXPECT_THAT(findings(configuration, Speed::High), IsEmpty());
  configuration.associations.push_back({.bFirstInterface = 0, .bInterfaceCount = 2});
  configuration.associations.push_back({.bFirstInterface = 4, .bInterfaceCount = 0});
  EXPECT_THAT(findings(configuration, Speed::High),
              ElementsAre(HasSubstr("names an interface that is not there"),
                          HasSubstr("shares an interface"), HasSubstr("bInterfaceCount is 0")));
}

TEST(CheckConfiguration, SurvivesAnAssociationThatRunsPastTheLastNumber) {
  auto configuration = with(std::vector<Endpoint>{});
  configuration.associations.push_back({.bFirstInterface = 255, .bInterfaceCount = 255});
  EXPECT_THAT(findings(configuration, Speed::High),
              ElementsAre(HasSubstr("names an interface that is not there")));
}

TEST(CheckConfiguration, KeepsNoMoreFindingsThanItsLimit) {
  const std::vector<Endpoint> many(30, endpoint(0xf0, TransferType::Bulk, 0xffff));
  auto configuration = with(many);
  for (int i = 0; i < 20; ++i) configuration.interfaces.push_back(configuration.interfaces[0]);
  EXPECT_EQ(check_configuration(configuration, Speed::High).size(), kMaxFindings);
}

}  // namespace
}  // namespace periprox::usb
