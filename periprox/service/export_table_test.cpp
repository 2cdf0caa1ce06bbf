#include "periprox/service/export_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/service/log_throttle.hpp"
#include "periprox/service/printable.hpp"

namespace periprox::service {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using wire::usbip::OpStatus;

/// Answers everything at once, notes resets, and can be unplugged.
class FakeDevice final : public usb::Device {
 public:
  [[nodiscard]] const usb::DeviceModel& model() const override { return model_; }
  void submit(usb::Urb urb) override {
    if (urb->setup.is_port_reset()) ++resets;
    urb.complete(usb::Status::Ok, 0);
  }
  void cancel(usb::UrbHandle) override {}
  [[nodiscard]] Payload allocate(std::uint32_t) override { return {}; }
  void on_gone(std::function<void()> handler) override { gone_ = std::move(handler); }
  void unplug() { std::exchange(gone_, {})(); }

  int resets = 0;

 private:
  usb::DeviceModel model_{usb::Speed::High, {}, {}};
  std::function<void()> gone_;
};

class ExportTableTest : public testing::Test {
 protected:
  OpenedDevice opened(std::shared_ptr<FakeDevice> fake) {
    return {.device = std::move(fake), .name = "fake"};
  }
  OpenedDevice plugged_in(std::string busid, std::uint16_t busnum, std::uint16_t devnum) {
    return {.device = std::make_shared<FakeDevice>(),
            .address = wire::usbip::DeviceAddress{"/sys/x", std::move(busid), busnum, devnum},
            .name = "plugged in"};
  }
  std::vector<std::string> busids() {
    std::vector<std::string> all;
    for (const auto& entry : table->entries()) all.push_back(entry.address.busid);
    return all;
  }
  std::vector<std::string> listed() {
    std::vector<std::string> all;
    for (const auto& entry : table->list()) {
      all.emplace_back(*wire::usbip::name_in(entry.record.busid));
    }
    return all;
  }
  /// The lease, or the refusal in `refused`.
  std::optional<session::Lease> claim(std::string_view busid, std::string_view peer = "peer") {
    std::optional<session::Lease> lease;
    refused.reset();
    table->claim(busid, peer, [&](session::Exports::ClaimResult result) {
      if (auto* got = std::get_if<session::Lease>(&result)) {
        lease.emplace(std::move(*got));
      } else {
        refused = std::get<OpStatus>(result);
      }
    });
    return lease;
  }

  std::shared_ptr<FakeDevice> device = std::make_shared<FakeDevice>();
  std::vector<std::string> log;
  std::unique_ptr<ExportTable> table =
      std::make_unique<ExportTable>([this](const Event& event) { log.push_back(event.text); });
  std::optional<OpStatus> refused;
};

TEST_F(ExportTableTest, GivesBusIdsInTheOrderOfTheDevices) {
  ASSERT_TRUE(table->add({opened(device), opened(std::make_shared<FakeDevice>())}));
  EXPECT_THAT(busids(), ElementsAre("1-1", "1-2"));
  EXPECT_EQ(table->entries()[0].address.devid(), 0x10002U);
  EXPECT_EQ(table->entries()[1].address.path, "/sys/devices/periprox/usb1/1-2");
}

TEST_F(ExportTableTest, PluggedInDevicesKeepTheirPlaceAndOthersGoAroundIt) {
  ASSERT_TRUE(table->add({opened(device), plugged_in("1-1", 1, 9), plugged_in("3-2", 1, 3)}));
  // 1-1 is taken by name, 1-2 by its devid.
  EXPECT_THAT(busids(), ElementsAre("1-1", "3-2", "1-3"));
}

TEST_F(ExportTableTest, RefusesTheSamePlaceTwiceAndAddsNothing) {
  const auto added = [&] {
    std::vector<OpenedDevice> devices;
    devices.push_back(plugged_in("1-1", 1, 9));
    devices.push_back(plugged_in("1-1", 1, 9));
    return table->add(std::move(devices));
  }();
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().kind, Error::Kind::Usage);
  EXPECT_TRUE(busids().empty());
}

TEST_F(ExportTableTest, GoesOnWithTheNextBusAfter254Devices) {
  std::vector<OpenedDevice> devices;
  for (int i = 0; i < 300; ++i) devices.push_back(opened(std::make_shared<FakeDevice>()));
  ASSERT_TRUE(table->add(std::move(devices)));
  const auto last = table->entries().back().address;
  EXPECT_EQ(last.busid, "2-46");
  EXPECT_EQ(last.busnum, 2);
  EXPECT_EQ(last.devnum, 47);
}

TEST_F(ExportTableTest, ADeviceIsUsedByOneClientAtATime) {
  ASSERT_TRUE(table->add({opened(device), opened(std::make_shared<FakeDevice>())}));
  const auto lease = claim("1-1", "first:1");
  ASSERT_TRUE(lease);
  EXPECT_THAT(listed(), ElementsAre("1-2"));
  EXPECT_FALSE(claim("1-1", "second:2"));
  EXPECT_EQ(refused, OpStatus::DeviceBusy);
  EXPECT_EQ(log.back(), "second:2 asked for 1-1, which is in use by first:1");
}

TEST_F(ExportTableTest, ADeviceThatIsGivenBackIsResetAndListedAtOnce) {
  ASSERT_TRUE(table->add({opened(device)}));
  claim("1-1");
  EXPECT_EQ(device->resets, 1);
  EXPECT_THAT(listed(), ElementsAre("1-1"));
  EXPECT_EQ(log.back(), "1-1 is free again");
  EXPECT_TRUE(claim("1-1"));
}

TEST_F(ExportTableTest, UnknownBusIdsAreRefused) {
  ASSERT_TRUE(table->add({opened(device)}));
  EXPECT_FALSE(claim("1-9\x1b"));
  EXPECT_EQ(refused, OpStatus::NoSuchDevice);
  EXPECT_EQ(log.back(), "peer asked for 1-9?, which is not exported");
}

TEST_F(ExportTableTest, ADeviceThatGoesLeavesTheListAndItsClientIsTold) {
  ASSERT_TRUE(table->add({opened(device)}));
  auto lease = claim("1-1");
  bool told = false;
  lease->device().on_gone([&] { told = true; });
  device->unplug();
  EXPECT_TRUE(told);
  EXPECT_THAT(log.back(), HasSubstr("1-1 (fake) is gone"));
  lease.reset();
  EXPECT_EQ(device->resets, 0);
  EXPECT_TRUE(listed().empty());
  EXPECT_TRUE(busids().empty());
  EXPECT_FALSE(claim("1-1"));
  EXPECT_EQ(refused, OpStatus::NoSuchDevice);
}

TEST_F(ExportTableTest, AFormerClientIsNotToldThatTheDeviceIsGone) {
  ASSERT_TRUE(table->add({opened(device)}));
  bool told = false;
  claim("1-1")->device().on_gone([&] { told = true; });
  device->unplug();
  EXPECT_FALSE(told);
}

TEST_F(ExportTableTest, NobodyIsToldWhenTheTableGoesFirst) {
  ASSERT_TRUE(table->add({opened(device)}));
  const auto lines = log.size();
  table.reset();
  device->unplug();
  EXPECT_EQ(log.size(), lines);
}

TEST_F(ExportTableTest, ListsSpeedAndInterfacesOfAnEmulatedDevice) {
  SimulatedTimers timers;
  std::vector<OpenedDevice> devices;
  devices.push_back({.device = emulated::create("go_temp", {}, timers).value(), .name = "go_temp"});
  ASSERT_TRUE(table->add(std::move(devices)));
  const auto device_list = table->list();
  ASSERT_EQ(device_list.size(), 1U);
  EXPECT_EQ(device_list[0].record.idVendor, 0x08f7);
  EXPECT_EQ(device_list[0].record.speed, 1U);
  EXPECT_THAT(device_list[0].interfaces, ElementsAre(usb::ClassCode{3, 0, 0}));
  table.reset();
}

TEST(Printable, ReplacesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("a\x1b\n\x7f\xc3z"), "a????z");
  EXPECT_EQ(printable("abcdef", 3), "abc");
}

TEST(LogThrottle, LetsABurstThroughAndCountsTheRest) {
  LogThrottle throttle(2, std::chrono::seconds(1));
  const TimePoint start{std::chrono::hours(1)};
  EXPECT_TRUE(throttle.allows(start));
  EXPECT_TRUE(throttle.allows(start));
  EXPECT_FALSE(throttle.allows(start));
  EXPECT_FALSE(throttle.allows(start + std::chrono::milliseconds(999)));
  EXPECT_EQ(throttle.take_suppressed(start), 0U);
  EXPECT_EQ(throttle.take_suppressed(start + std::chrono::seconds(1)), 2U);
  EXPECT_EQ(throttle.take_suppressed(start + std::chrono::seconds(1)), 0U);
  EXPECT_TRUE(throttle.allows(start + std::chrono::seconds(1)));
}

}  // namespace
}  // namespace periprox::service
