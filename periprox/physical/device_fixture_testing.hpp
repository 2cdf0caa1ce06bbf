// What the tests of UsbfsDevice share: a device with every kind of endpoint on a simulated kernel.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "periprox/loop/loop.hpp"
#include "periprox/physical/simulated_usbfs_testing.hpp"
#include "periprox/physical/usbfs_device.hpp"

namespace periprox::physical {

/// Two configurations: 1 has interface 0 (bulk 0x81, 0x02; interrupt 0x83) and interface 1 (setting
/// 0 empty, setting 1 isochronous 0x84, 0x05); 2 has interface 0 (bulk 0x81).
[[nodiscard]] usb::DeviceModel example_model();

/// Remembers what came back.
class Collector final : public usb::CompletionSink {
 public:
  void on_completed(usb::Urb urb, std::uint64_t cookie) override {
    order.push_back(cookie);
    urbs.push_back(std::move(urb));
    if (then) then(cookie);
  }
  std::vector<usb::Urb> urbs;
  std::vector<std::uint64_t> order;
  std::function<void(std::uint64_t)> then;
};

class UsbfsDeviceTest : public testing::Test {
 protected:
  void open(UsbfsDeviceOptions options = {});

  [[nodiscard]] usb::Urb bulk_in(std::uint32_t length, std::uint64_t cookie = 0);
  [[nodiscard]] usb::Urb bulk_out(std::string_view data, std::uint64_t cookie = 0);
  [[nodiscard]] usb::Urb control(const usb::SetupPacket& setup, std::uint64_t cookie = 0);
  [[nodiscard]] usb::Urb isochronous_in(std::vector<usb::IsoPacket> packets, std::uint32_t length);
  /// Runs the loop until `count` URBs have come back.
  void run_until_completed(std::size_t count);
  void run_until(const std::function<bool()>& done);
  /// Runs what is ready without waiting.
  void settle();

  Loop loop_;
  std::unique_ptr<BlockingPool> pool_ = std::make_unique<BlockingPool>();
  std::shared_ptr<SimulatedUsbfs> kernel_ = std::make_shared<SimulatedUsbfs>();
  Collector done_;
  std::unique_ptr<UsbfsDevice> device_;

  void TearDown() override;
};

}  // namespace periprox::physical
