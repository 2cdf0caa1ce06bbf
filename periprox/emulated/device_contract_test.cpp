// Emulated devices keep the promises of usb::Device, at every speed.
#include <gtest/gtest.h>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/emulated_device.hpp"
#include "periprox/usb/device_contract_testing.hpp"

namespace periprox::usb::testing {
namespace {

using emulated::EmulatedDevice;

emulated::Declaration contract_device() {
  using namespace emulated;
  return {
      .idVendor = 0x1209,
      .idProduct = 0x0001,
      .product = "Contract",
      .configurations = {
          {.interfaces = {
               {.settings = {{
                    .class_code = {0xff, 0, 0},
                    .endpoints = {bulk_in(1,
                                          [](InTransfer t) { t.send(std::vector<std::byte>(64)); }),
                                  bulk_out(1, [](OutTransfer t) { t.accept(); }),
                                  interrupt_in(2, {.max_packet_size = 8}, {})},
                }}}}}}};
}

DeviceRig make_rig(Speed speed) {
  auto timers = std::make_shared<SimulatedTimers>();
  auto device = EmulatedDevice::create(contract_device(), speed, *timers).value();
  auto* emulated = device.get();
  return {.keep = timers,
          .device = std::move(device),
          .bulk_in = EndpointAddress(0x81),
          .bulk_out = EndpointAddress(0x01),
          .silent_in = EndpointAddress(0x82),
          .run = [timers] { timers->advance(std::chrono::milliseconds(10)); },
          .unplug = [emulated] { emulated->unplug(); }};
}

DeviceRig make_full_speed_rig() { return make_rig(Speed::Full); }
DeviceRig make_high_speed_rig() { return make_rig(Speed::High); }
DeviceRig make_super_speed_rig() { return make_rig(Speed::Super); }

INSTANTIATE_TEST_SUITE_P(EmulatedAtFullSpeed, DeviceContract,
                         ::testing::Values(&make_full_speed_rig));
INSTANTIATE_TEST_SUITE_P(EmulatedAtHighSpeed, DeviceContract,
                         ::testing::Values(&make_high_speed_rig));
INSTANTIATE_TEST_SUITE_P(EmulatedAtSuperSpeed, DeviceContract,
                         ::testing::Values(&make_super_speed_rig));

}  // namespace
}  // namespace periprox::usb::testing
