#include "periprox/host/local.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/host/words.hpp"

namespace periprox::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Status;

/// Keeps what it is given until the test completes it, on bulk endpoints 0x81 and 0x01 with packets
/// of 500 bytes and the isochronous endpoint 0x82.
class HeldDevice final : public usb::Device {
 public:
  HeldDevice() {
    usb::Interface interface {
      .number = 0, .alternate_settings = { {}, {} }
    };
    interface.alternate_settings[0].endpoints = {endpoint(0x81, 2), endpoint(0x01, 2),
                                                 endpoint(0x82, 1)};
    interface.alternate_settings[1].descriptor.bAlternateSetting = 1;
    interface.alternate_settings[1].endpoints = {endpoint(0x83, 3)};
    usb::Configuration configuration;
    configuration.descriptor.bConfigurationValue = 7;
    configuration.interfaces = {interface};
    model_ = usb::DeviceModel(usb::Speed::High, {}, {configuration});
    model_.set_configuration(7);
  }

  [[nodiscard]] const usb::DeviceModel& model() const override { return model_; }
  void submit(usb::Urb urb) override { held.push_back(std::move(urb)); }
  void cancel(usb::UrbHandle handle) override {
    ++cancels;
    if (!cancel_wins) return;
    for (auto it = held.begin(); it != held.end(); ++it) {
      if (it->handle() != handle) continue;
      auto urb = std::move(*it);
      held.erase(it);
      urb.complete(Status::Cancelled, 0);
      return;
    }
  }
  [[nodiscard]] Payload allocate(std::uint32_t size) override {
    return out_of_memory ? Payload() : pool_.allocate(size);
  }
  void on_gone(std::function<void()>) override {}

  /// Completes the oldest URB; IN data is `fill` all over.
  void complete(Status status, std::uint32_t actual_length, int fill = 0) {
    auto urb = std::move(held.front());
    held.pop_front();
    if (urb->is_in() && actual_length > 0) {
      urb->payload = pool_.allocate(urb->length);
      std::memset(urb->payload.data(), fill, actual_length);
    }
    urb.complete(status, actual_length);
  }

  std::deque<usb::Urb> held;
  int cancels = 0;
  bool cancel_wins = true;
  bool out_of_memory = false;
  usb::DeviceModel model_;

 private:
  static usb::Endpoint endpoint(std::uint8_t address, std::uint8_t attributes) {
    usb::Endpoint endpoint;
    endpoint.descriptor.bEndpointAddress = address;
    endpoint.descriptor.bmAttributes = attributes;
    endpoint.descriptor.wMaxPacketSize = 500;
    endpoint.descriptor.bInterval = 4;
    return endpoint;
  }
  PayloadPool pool_;
};

class LocalTest : public testing::Test {
 protected:
  Local::Done keep() {
    return [this](Outcome result) { outcome = std::move(result); };
  }

  SimulatedTimers timers;
  HeldDevice device;
  Local local{device, timers};
  std::optional<Outcome> outcome;
};

TEST_F(LocalTest, ControlInReturnsWhatTheDeviceSent) {
  local.control(SetupPacket::get_descriptor(1, 0, 18), {}, seconds(1), keep());
  EXPECT_EQ(device.held.front()->setup, SetupPacket::get_descriptor(1, 0, 18));
  EXPECT_EQ(device.held.front()->endpoint, EndpointAddress(0x80));
  device.complete(Status::Ok, 2, 0x12);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, Status::Ok);
  EXPECT_THAT(outcome->data, ElementsAre(std::byte{0x12}, std::byte{0x12}));
}

TEST_F(LocalTest, ControlOutCarriesItsData) {
  SetupPacket setup{.bmRequestType = 0x40, .bRequest = 1};
  setup.wLength = 2;
  local.control(setup, bytes_of_text("ab"), seconds(1), keep());
  EXPECT_EQ(device.held.front()->endpoint, EndpointAddress(0x00));
  EXPECT_THAT(device.held.front()->data(), ElementsAre(std::byte{'a'}, std::byte{'b'}));
  device.complete(Status::Ok, 2);
  EXPECT_EQ(outcome->actual_length, 2U);
  EXPECT_TRUE(outcome->data.empty());
}

TEST_F(LocalTest, ControlOutIsRefusedWhenTheDataIsNotWLengthLong) {
  SetupPacket setup{.bmRequestType = 0x40, .bRequest = 1};
  setup.wLength = 3;
  local.control(setup, bytes_of_text("ab"), seconds(1), keep());
  EXPECT_EQ(outcome->status, Status::BadLength);
  EXPECT_TRUE(device.held.empty());
}

TEST_F(LocalTest, LongReadsAreCutAtPacketBoundaries) {
  local.in(EndpointAddress(0x81), 2'000'000, seconds(1), keep());
  EXPECT_EQ(device.held.front()->length, 1'048'500U);
  device.complete(Status::Ok, 1'048'500, 1);
  EXPECT_FALSE(outcome);
  EXPECT_EQ(device.held.front()->length, 951'500U);
  device.complete(Status::Ok, 951'500, 2);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->data.size(), 2'000'000U);
  EXPECT_EQ(outcome->data.front(), std::byte{1});
  EXPECT_EQ(outcome->data.back(), std::byte{2});
}

TEST_F(LocalTest, AShortPacketEndsALongRead) {
  local.in(EndpointAddress(0x81), 2'000'000, seconds(1), keep());
  device.complete(Status::Ok, 700, 1);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, Status::Ok);
  EXPECT_EQ(outcome->data.size(), 700U);
  EXPECT_TRUE(device.held.empty());
}

TEST_F(LocalTest, OnlyTheLastUrbOfALongWriteMayEndWithAnEmptyPacket) {
  const std::vector<std::byte> data(1'500'000);
  local.out(EndpointAddress(0x01), data, {.zero_packet = true}, seconds(1), keep());
  EXPECT_FALSE(device.held.front()->flags.zero_packet);
  device.complete(Status::Ok, 1'048'500);
  EXPECT_TRUE(device.held.front()->flags.zero_packet);
  device.complete(Status::Ok, 451'500);
  EXPECT_EQ(outcome->actual_length, 1'500'000U);
}

TEST_F(LocalTest, AnEmptyWriteIsOneEmptyUrb) {
  local.out(EndpointAddress(0x01), {}, {}, seconds(1), keep());
  ASSERT_EQ(device.held.size(), 1U);
  EXPECT_EQ(device.held.front()->length, 0U);
  device.complete(Status::Ok, 0);
  EXPECT_EQ(outcome->status, Status::Ok);
}

TEST_F(LocalTest, WhatCameBeforeAnErrorIsKept) {
  local.in(EndpointAddress(0x81), 2'000'000, seconds(1), keep());
  device.complete(Status::Ok, 1'048'500, 1);
  device.complete(Status::Stalled, 500, 2);
  EXPECT_EQ(outcome->status, Status::Stalled);
  EXPECT_EQ(outcome->data.size(), 1'049'000U);
}

TEST_F(LocalTest, ALateTransferIsCancelledAndTimesOut) {
  local.in(EndpointAddress(0x81), 8, milliseconds(100), keep());
  timers.advance(milliseconds(99));
  EXPECT_FALSE(outcome);
  timers.advance(milliseconds(1));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, Status::TimedOut);
}

TEST_F(LocalTest, ACancelThatLosesTheRaceDeliversTheData) {
  device.cancel_wins = false;
  local.in(EndpointAddress(0x81), 8, milliseconds(100), keep());
  timers.advance(milliseconds(100));
  EXPECT_FALSE(outcome);
  device.complete(Status::Ok, 8, 3);
  EXPECT_EQ(outcome->status, Status::Ok);
  EXPECT_EQ(outcome->data.size(), 8U);
}

TEST_F(LocalTest, ALongTransferDoesNotGoOnAfterALateUrb) {
  device.cancel_wins = false;
  local.in(EndpointAddress(0x81), 2'000'000, milliseconds(100), keep());
  timers.advance(milliseconds(100));
  device.complete(Status::Ok, 1'048'500, 3);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, Status::TimedOut);
  EXPECT_EQ(outcome->data.size(), 1'048'500U);
  EXPECT_TRUE(device.held.empty());
}

TEST_F(LocalTest, CancelEndsATransferAsCancelled) {
  const auto id = local.in(EndpointAddress(0x81), 8, seconds(1), keep());
  local.cancel(id);
  EXPECT_EQ(outcome->status, Status::Cancelled);
  local.cancel(id);
  EXPECT_EQ(device.cancels, 1);
}

TEST_F(LocalTest, NothingStaysInTheTimersOrAtTheDeviceWhenItIsDestroyed) {
  {
    Local other(device, timers);
    other.in(EndpointAddress(0x81), 8, seconds(1), keep());
    EXPECT_EQ(timers.pending(), 1U);
  }
  EXPECT_EQ(timers.pending(), 0U);
  EXPECT_TRUE(device.held.empty());
  EXPECT_FALSE(outcome);
}

TEST_F(LocalTest, AnEndpointThatIsNotThereKillsTheTransfer) {
  local.in(EndpointAddress(0x85), 8, seconds(1), keep());
  EXPECT_EQ(outcome->status, Status::Killed);
}

TEST_F(LocalTest, IsochronousEndpointsAreRefused) {
  local.in(EndpointAddress(0x82), 8, seconds(1), keep());
  EXPECT_EQ(outcome->status, Status::InvalidArgument);
}

TEST_F(LocalTest, AWriteWithoutMemoryFails) {
  device.out_of_memory = true;
  local.out(EndpointAddress(0x01), bytes_of_text("x"), {}, seconds(1), keep());
  EXPECT_EQ(outcome->status, Status::NoMemory);
}

TEST_F(LocalTest, AnUnconfiguredDeviceGetsItsFirstConfiguration) {
  device.model_.set_configuration(0);
  local.ensure_configured(seconds(1), keep());
  ASSERT_EQ(device.held.size(), 1U);
  EXPECT_EQ(device.held.front()->setup, SetupPacket::set_configuration(7));
  device.complete(Status::Ok, 0);
  EXPECT_EQ(outcome->status, Status::Ok);
}

TEST_F(LocalTest, AConfiguredDeviceIsLeftAlone) {
  local.ensure_configured(seconds(1), keep());
  EXPECT_EQ(outcome->status, Status::Ok);
  EXPECT_TRUE(device.held.empty());
}

TEST(LocalWithEmulatedDevices, ReadsATemperature) {
  SimulatedTimers timers;
  auto device = emulated::create("go_temp", {{"celsius", "21.5"}, {"period_ms", "500"}}, timers);
  ASSERT_TRUE(device) << device.error().text();
  Local local(**device, timers);
  std::optional<Outcome> outcome;
  local.in(EndpointAddress(0x81), 8, seconds(5),
           [&](Outcome result) { outcome = std::move(result); });
  timers.advance(seconds(2));
  ASSERT_TRUE(outcome);
  ASSERT_EQ(outcome->data.size(), 8U);
  const auto low = std::to_integer<int>(outcome->data[2]);
  const auto high = std::to_integer<int>(outcome->data[3]);
  EXPECT_EQ(low + 256 * high, 21.5 * 128);
}

TEST(LocalWithEmulatedDevices, ReadsMegabytesFromASource) {
  SimulatedTimers timers;
  auto device = emulated::create("zero", {{"pattern", "1"}}, timers);
  ASSERT_TRUE(device) << device.error().text();
  Local local(**device, timers);
  std::optional<Outcome> outcome;
  local.in(EndpointAddress(0x81), 5'000'000, seconds(5),
           [&](Outcome result) { outcome = std::move(result); });
  timers.advance(seconds(1));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, Status::Ok);
  ASSERT_EQ(outcome->data.size(), 5'000'000U);
  EXPECT_EQ(std::to_integer<unsigned>(outcome->data[4'999'999]), 4'999'999 % 512 % 63);
}

// ---- words -------------------------------------------------------------------------------------

TEST(CheckEndpoint, AcceptsWhatIsThere) {
  const HeldDevice device;
  EXPECT_TRUE(check_endpoint(device.model(), EndpointAddress(0x81)));
  EXPECT_TRUE(check_endpoint(device.model(), EndpointAddress(0x01)));
}

TEST(CheckEndpoint, ListsWhatIsThereInsteadOfAMissingEndpoint) {
  const HeldDevice device;
  const auto checked = check_endpoint(device.model(), EndpointAddress(0x05));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().kind, Error::Kind::Usage);
  EXPECT_THAT(checked.error().hint, HasSubstr("0x01 OUT bulk, 0x81 IN bulk, 0x82 IN isochronous"));
}

TEST(CheckEndpoint, NamesTheSettingThatHasTheEndpoint) {
  const HeldDevice device;
  const auto checked = check_endpoint(device.model(), EndpointAddress(0x83));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().hint, "add --setting 0:1");
}

TEST(CheckEndpoint, RefusesIsochronousAndControlEndpoints) {
  const HeldDevice device;
  EXPECT_EQ(check_endpoint(device.model(), EndpointAddress(0x82)).error().kind,
            Error::Kind::NotSupported);
  EXPECT_THAT(check_endpoint(device.model(), EndpointAddress(0x80)).error().hint,
              HasSubstr("control"));
}

TEST(TransferError, SaysWhatAStallIsAndWhatToDoAboutLateData) {
  EXPECT_EQ(transfer_error("it failed", Status::Stalled).why, "the device answered STALL");
  EXPECT_THAT(transfer_error("it failed", Status::TimedOut).hint, HasSubstr("--timeout"));
  EXPECT_EQ(transfer_error("it failed", Status::DeviceGone).kind, Error::Kind::Gone);
  EXPECT_EQ(transfer_error("it failed", Status::NoBandwidth).why, "no bandwidth");
}

}  // namespace
}  // namespace periprox::host
