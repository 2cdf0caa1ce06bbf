#include "periprox/session/descriptor_fetch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/session/testing.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::HasSubstr;
using ::testing::SizeIs;
using usb::DescriptorType;
using usb::Status;

usb::DeviceModel model_with_strings(std::uint16_t bcd_usb = 0x0200) {
  const auto plain = test_model();
  auto descriptor = plain.descriptor();
  descriptor.bcdUSB = bcd_usb;
  descriptor.iManufacturer = 1;
  descriptor.iProduct = 2;
  descriptor.iSerialNumber = 3;
  usb::DeviceModel model(usb::Speed::High, descriptor, plain.configurations());
  model.manufacturer = "Maker";
  model.product = "Thing \xc3\xa4";
  model.serial_number = "0042";
  model.set_configuration(1);
  return model;
}

/// A fetch from a device that answers for `model`; what it answers can be changed.
struct Fetch : ::testing::Test {
  void use(usb::DeviceModel model) {
    served = std::move(model);
    device.on_submit = [this](usb::Urb urb) {
      asked.push_back(urb->setup);
      const auto type = static_cast<DescriptorType>(urb->setup.wValue >> 8);
      const auto change = changed ? changed(urb->setup) : std::nullopt;
      const auto answer = change ? change : descriptor_answer(served, urb->setup);
      const bool is_configuration = urb->setup.is_standard(usb::StandardRequest::GetConfiguration);
      if (silent_about == type && !is_configuration) {
        device.held.push_back(std::move(urb));
      } else if (!answer || (stalled == type && !is_configuration)) {
        urb.complete(Status::Stalled, 0);
      } else {
        complete_in(device, std::move(urb), *answer);
      }
    };
  }
  void start(std::optional<std::uint8_t> active = std::nullopt) {
    fetch.emplace(device, usb::Speed::High, active);
    fetch->start([this](auto answer) { result = std::move(answer); });
  }
  void expect_failure(Error::Kind kind, const char* text) {
    ASSERT_TRUE(result);
    ASSERT_FALSE(result->has_value());
    EXPECT_EQ(result->error().kind, kind);
    EXPECT_THAT(result->error().text(), HasSubstr(text));
  }

  FakeDevice device;
  usb::DeviceModel served;
  std::function<std::optional<ByteVector>(const usb::SetupPacket&)> changed;
  std::optional<DescriptorType> stalled;
  std::optional<DescriptorType> silent_about;
  std::vector<usb::SetupPacket> asked;
  std::optional<DescriptorFetch> fetch;
  std::optional<Result<usb::DeviceModel>> result;
};

TEST_F(Fetch, ReadsEverything) {
  use(model_with_strings());
  start();
  ASSERT_TRUE(result && result->has_value());
  const auto& model = **result;
  EXPECT_EQ(model.descriptor(), served.descriptor());
  ASSERT_THAT(model.configurations(), SizeIs(1));
  EXPECT_EQ(usb::build_configuration(model.configurations()[0]),
            usb::build_configuration(served.configurations()[0]));
  EXPECT_EQ(model.configuration_value(), 1);
  EXPECT_EQ(model.manufacturer, "Maker");
  EXPECT_EQ(model.product, "Thing \xc3\xa4");
  EXPECT_EQ(model.serial_number, "0042");
}

TEST_F(Fetch, DoesNotAskForWhatItKnows) {
  use(test_model());
  start(std::uint8_t{1});
  ASSERT_TRUE(result && result->has_value());
  EXPECT_THAT(asked, SizeIs(3));  // Device, configuration head, configuration.
}

TEST_F(Fetch, TakesADeviceThatIsNotConfigured) {
  auto model = test_model();
  model.set_configuration(0);
  use(model);
  start();
  EXPECT_EQ((*result)->configuration_value(), 0);
}

TEST_F(Fetch, TakesAnActiveConfigurationThatDoesNotExistForNone) {
  use(test_model());
  start(std::uint8_t{9});
  ASSERT_TRUE(result->has_value());
  EXPECT_EQ((*result)->configuration_value(), 0);
}

TEST_F(Fetch, AsksForABosOnlyFromUsb201On) {
  use(model_with_strings(0x0201));
  start();
  ASSERT_TRUE(result->has_value());
  const auto asks_for_bos = [](const auto& setup) { return setup.wValue >> 8 == 0x0f; };
  EXPECT_EQ(std::ranges::count_if(asked, asks_for_bos), 1);
  EXPECT_TRUE((*result)->bos.empty());
}

TEST_F(Fetch, ReadsABos) {
  auto model = model_with_strings(0x0210);
  model.bos = {std::byte{5}, std::byte{15}, std::byte{12}, std::byte{0},
               std::byte{1}, std::byte{7},  std::byte{16}, std::byte{2},
               std::byte{6}, std::byte{0},  std::byte{0},  std::byte{0}};
  use(model);
  start();
  EXPECT_EQ((*result)->bos, model.bos);
  EXPECT_EQ((*result)->serial_number, "0042");
}

TEST_F(Fetch, GoesOnWithoutStringsThatStall) {
  use(model_with_strings());
  stalled = DescriptorType::String;
  start();
  ASSERT_TRUE(result->has_value());
  EXPECT_EQ((*result)->product, "");
}

TEST_F(Fetch, SkipsStringsThatTheDeviceSaysItHasNot) {
  auto descriptor = model_with_strings().descriptor();
  descriptor.iManufacturer = 0;
  usb::DeviceModel model(usb::Speed::High, descriptor, test_model().configurations());
  model.product = "P";
  model.serial_number = "S";
  use(model);
  start();
  EXPECT_EQ((*result)->manufacturer, "");
  EXPECT_EQ((*result)->product, "P");
  EXPECT_EQ((*result)->serial_number, "S");
}

TEST_F(Fetch, FailsWhenTheDeviceDescriptorStalls) {
  use(test_model());
  stalled = DescriptorType::Device;
  start();
  expect_failure(Error::Kind::Failed, "device descriptor: stalled");
}

TEST_F(Fetch, FailsOnAShortDeviceDescriptor) {
  use(test_model());
  changed = [](const auto& setup) -> std::optional<ByteVector> {
    if (setup.wValue >> 8 != 1) return std::nullopt;
    return ByteVector(17, std::byte{1});
  };
  start();
  expect_failure(Error::Kind::Malformed, "device descriptor");
}

TEST_F(Fetch, FailsOnSomethingElseThanADeviceDescriptor) {
  use(test_model());
  changed = [](const auto& setup) -> std::optional<ByteVector> {
    if (setup.wValue >> 8 != 1) return std::nullopt;
    return ByteVector(18, std::byte{0x99});
  };
  start();
  expect_failure(Error::Kind::Malformed, "makes no sense");
}

TEST_F(Fetch, FailsWhenAConfigurationStalls) {
  use(test_model());
  stalled = DescriptorType::Configuration;
  start();
  expect_failure(Error::Kind::Failed, "configuration descriptor: stalled");
}

TEST_F(Fetch, FailsOnAConfigurationWithoutLength) {
  use(test_model());
  changed = [](const auto& setup) -> std::optional<ByteVector> {
    if (setup.wValue >> 8 != 2) return std::nullopt;
    return to_vector(usb::ConfigurationDescriptor{});
  };
  start();
  expect_failure(Error::Kind::Malformed, "configuration descriptor");
}

TEST_F(Fetch, TakesAConfigurationThatIsShorterThanItSays) {
  use(test_model());
  changed = [](const auto& setup) -> std::optional<ByteVector> {
    if (setup.wValue >> 8 != 2) return std::nullopt;
    usb::ConfigurationDescriptor descriptor;
    descriptor.wTotalLength = std::uint16_t{0xffff};
    descriptor.bConfigurationValue = 1;
    return to_vector(descriptor);
  };
  start(std::uint8_t{1});
  ASSERT_TRUE(result->has_value());
  EXPECT_EQ((*result)->configuration_value(), 1);
}

TEST_F(Fetch, FailsWhenItGivesUpBeforeTheConfigurations) {
  use(test_model());
  silent_about = DescriptorType::Configuration;
  start();
  EXPECT_FALSE(result);
  fetch->give_up();
  expect_failure(Error::Kind::Failed, "timed out");
}

TEST_F(Fetch, IsContentWhenItGivesUpOnStrings) {
  use(model_with_strings());
  silent_about = DescriptorType::String;
  start();
  fetch->give_up();
  ASSERT_TRUE(result && result->has_value());
  device.complete_cancelled();  // What still comes changes nothing.
}

TEST_F(Fetch, LeavesNoWayBackWhenDestroyed) {
  use(test_model());
  silent_about = DescriptorType::Device;
  start();
  fetch.reset();
  device.complete();
  EXPECT_FALSE(result);
}

}  // namespace
}  // namespace periprox::session
