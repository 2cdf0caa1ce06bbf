#include "periprox/emulated/descriptor_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace periprox::emulated {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using usb::Speed;

/// One device with an endpoint of each kind, in setting 1.
Declaration everything() {
  return {.idVendor = 0x1209,
          .idProduct = 0x0001,
          .product = "Everything",
          .configurations = {
              {.max_power_ma = 100,
               .interfaces = {
                   {.settings = {
                        {},
                        {.endpoints = {bulk_in(1, {}), interrupt_in(2, {.interval = 10ms}, {}),
                                       iso_in(3, {.interval = 1ms}, {})}},
                    }}}}}};
}

const usb::Endpoint& endpoint(const DescriptorSet& set, std::size_t place) {
  return set.configurations[0].interfaces[0].alternate_settings[1].endpoints[place];
}

TEST(DescriptorSet, DerivesFullSpeed) {
  const auto set = derive_descriptors(everything(), Speed::Full).value();
  EXPECT_EQ(set.device.bcdUSB, 0x0200);
  EXPECT_EQ(set.device.bMaxPacketSize0, 64);
  EXPECT_EQ(endpoint(set, 0).descriptor.wMaxPacketSize, 64);
  EXPECT_EQ(endpoint(set, 1).descriptor.wMaxPacketSize, 64);
  EXPECT_EQ(endpoint(set, 1).descriptor.bInterval, 10);
  EXPECT_EQ(endpoint(set, 2).descriptor.wMaxPacketSize, 1023);
  EXPECT_EQ(endpoint(set, 2).descriptor.bInterval, 1);
  EXPECT_TRUE(set.qualifier);
  EXPECT_TRUE(set.bos.empty());
}

TEST(DescriptorSet, DerivesHighSpeed) {
  const auto set = derive_descriptors(everything(), Speed::High).value();
  EXPECT_EQ(endpoint(set, 0).descriptor.wMaxPacketSize, 512);
  EXPECT_EQ(endpoint(set, 0).descriptor.bInterval, 0);
  EXPECT_EQ(endpoint(set, 1).descriptor.wMaxPacketSize, 1024);
  EXPECT_EQ(endpoint(set, 1).descriptor.bInterval, 7) << "64 microframes, 8 ms";
  EXPECT_EQ(endpoint(set, 2).descriptor.bInterval, 4) << "8 microframes, 1 ms";
  EXPECT_EQ(set.configurations[0].descriptor.bMaxPower, 50);
}

TEST(DescriptorSet, DerivesSuperSpeed) {
  const auto set = derive_descriptors(everything(), Speed::Super).value();
  EXPECT_EQ(set.device.bcdUSB, 0x0300);
  EXPECT_EQ(set.device.bMaxPacketSize0, 9);
  EXPECT_EQ(endpoint(set, 0).descriptor.wMaxPacketSize, 1024);
  ASSERT_TRUE(endpoint(set, 0).companion);
  EXPECT_EQ(endpoint(set, 0).companion->wBytesPerInterval, 0);
  EXPECT_EQ(endpoint(set, 2).companion->wBytesPerInterval, 1024);
  EXPECT_EQ(set.configurations[0].descriptor.bMaxPower, 13) << "104 mA in units of 8 mA";
  EXPECT_FALSE(set.qualifier);
  EXPECT_FALSE(set.bos.empty());
}

TEST(DescriptorSet, SuperPlusSaysSoInItsBos) {
  const auto set = derive_descriptors(everything(), Speed::SuperPlus).value();
  EXPECT_EQ(set.device.bcdUSB, 0x0310);
  const auto bos = usb::parse_bos(set.bos);
  ASSERT_TRUE(bos);
  EXPECT_TRUE(bos->findings.empty());
  EXPECT_EQ(bos->bos.capabilities.size(), 3U);
}

TEST(DescriptorSet, BlocksReadBackWithoutFindings) {
  for (const auto speed : {Speed::Full, Speed::High, Speed::Super}) {
    const auto set = derive_descriptors(everything(), speed).value();
    const auto parsed = usb::parse_configuration(set.configuration_blocks[0]);
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(parsed->findings.empty());
    EXPECT_EQ(parsed->configuration.interfaces[0].alternate_settings[1].endpoints.size(), 3U);
  }
}

TEST(DescriptorSet, HighBandwidthBecomesMultiplesOrBursts) {
  Declaration declaration = everything();
  declaration.configurations[0].interfaces[0].settings[1].endpoints = {
      iso_in(1, {.max_packet_size = 1024, .interval = 125us, .packets = 3}, {})};
  const auto high = derive_descriptors(declaration, Speed::High).value();
  EXPECT_EQ(endpoint(high, 0).descriptor.wMaxPacketSize, 1024 | 2 << 11);
  const auto super = derive_descriptors(declaration, Speed::Super).value();
  EXPECT_EQ(endpoint(super, 0).companion->bMaxBurst, 2);
  EXPECT_EQ(endpoint(super, 0).companion->wBytesPerInterval, 3072);
}

TEST(DescriptorSet, LowSpeedRefusesBulkWithTheReason) {
  const auto refused = derive_descriptors(everything(), Speed::Low);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Error::Kind::Usage);
  EXPECT_THAT(refused.error().why, HasSubstr("low speed has no bulk"));
}

TEST(DescriptorSet, RefusesASpeedThatTheDeviceDoesNotHave) {
  auto declaration = everything();
  declaration.speeds = {Speed::High};
  const auto refused = derive_descriptors(declaration, Speed::Super);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().hint, HasSubstr("high"));
}

TEST(DescriptorSet, RefusesWhatTheStandardForbidsInItsWords) {
  auto declaration = everything();
  declaration.configurations[0].interfaces[0].settings[1].endpoints = {bulk_in(1, {}),
                                                                       bulk_in(1, {})};
  const auto refused = derive_descriptors(declaration, Speed::High);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().why, HasSubstr("endpoint 0x81: the address is used twice"));
}

TEST(DescriptorSet, WithBosCapabilitiesHighSpeedHasABos) {
  auto declaration = everything();
  declaration.bos_capabilities = {raw_bytes({4, 0x10, 0x05, 0})};
  const auto set = derive_descriptors(declaration, Speed::High).value();
  EXPECT_EQ(set.device.bcdUSB, 0x0210);
  EXPECT_FALSE(set.bos.empty());
}

TEST(DescriptorSet, DeviceWithoutTextsHasNoStrings) {
  auto declaration = everything();
  declaration.product.clear();
  EXPECT_TRUE(derive_descriptors(declaration, Speed::High)->strings.empty());
}

TEST(DescriptorSet, FullSpeedOnlyDeviceHasNoQualifier) {
  auto declaration = everything();
  declaration.speeds = {Speed::Full};
  EXPECT_FALSE(derive_descriptors(declaration, Speed::Full)->qualifier);
}

TEST(DescriptorSet, RefusesABulkPacketSizeOfAnotherSpeedInTheStandardsWords) {
  auto declaration = everything();
  declaration.configurations[0].interfaces[0].settings[1].endpoints[0].max_packet_size = 64;
  EXPECT_TRUE(derive_descriptors(declaration, Speed::Full));
  const auto refused = derive_descriptors(declaration, Speed::High);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().why,
              HasSubstr("endpoint 0x81: bulk at high speed takes 512 bytes, not 64"));
}

TEST(DescriptorSet, HasItsStringsInSeveralLanguages) {
  auto declaration = everything();
  declaration.manufacturer = "Maker";
  declaration.translations = {{.language = 0x0407, .texts = {{"Everything", "Alles"}}}};
  const auto set = derive_descriptors(declaration, Speed::High).value();
  EXPECT_EQ(set.strings.at(0), raw_bytes({6, 3, 0x09, 0x04, 0x07, 0x04}));
  EXPECT_EQ(usb::parse_string(set.strings.at(2)), "Everything");
  const auto& german = set.translated.at(0x0407);
  EXPECT_EQ(usb::parse_string(german.at(1)), "Maker") << "what is not translated stays";
  EXPECT_EQ(usb::parse_string(german.at(2)), "Alles");
}

}  // namespace
}  // namespace periprox::emulated
