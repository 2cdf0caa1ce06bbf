// Stages keep the promises of usb::Device: the contract suite, with a stage in front of an emulated
// device.
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/emulated_device.hpp"
#include "periprox/stage/capture_stage.hpp"
#include "periprox/stage/fault_stage.hpp"
#include "periprox/stage/limit_stage.hpp"
#include "periprox/usb/device_contract_testing.hpp"

namespace periprox::usb::testing {
namespace {

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

/// What the devices of a rig live on.
struct Ground {
  SimulatedTimers timers;
  stage::CaptureBuffer buffer;
};

template <typename MakeStage>
DeviceRig rig_with(MakeStage make_stage) {
  auto ground = std::make_shared<Ground>();
  std::shared_ptr<emulated::EmulatedDevice> device =
      emulated::EmulatedDevice::create(contract_device(), Speed::High, ground->timers).value();
  auto* emulated = device.get();
  return {.keep = ground,
          .device = make_stage(std::move(device), *ground),
          .bulk_in = EndpointAddress(0x81),
          .bulk_out = EndpointAddress(0x01),
          .silent_in = EndpointAddress(0x82),
          .run = [ground] { ground->timers.advance(std::chrono::milliseconds(10)); },
          .unplug = [emulated] { emulated->unplug(); }};
}

DeviceRig make_capture_rig() {
  return rig_with([](std::shared_ptr<Device> device, Ground& ground) {
    auto stage = std::make_unique<stage::CaptureStage>(
        std::move(device), stage::CaptureOptions{.name = "contract"},
        stage::CalendarClock{.timers = &ground.timers});
    stage->add(ground.buffer);
    return stage;
  });
}

DeviceRig make_fault_rig() {
  return rig_with([](std::shared_ptr<Device> device, Ground& ground) {
    return std::make_unique<stage::FaultStage>(std::move(device), stage::FaultOptions{},
                                               ground.timers);
  });
}

/// Faults that only take time break no promise.
DeviceRig make_slow_rig() {
  return rig_with([](std::shared_ptr<Device> device, Ground& ground) {
    stage::FaultOptions options{.dice = std::make_shared<std::vector<stage::FaultDice>>()};
    for (const auto* rule : {"jitter=100us", "slow=1G", "delay=50us,p=0.5"}) {
      options.dice->emplace_back(1, 0, options.rules.size());
      options.rules.push_back(stage::parse_fault_rule(rule).value());
    }
    return std::make_unique<stage::FaultStage>(std::move(device), std::move(options),
                                               ground.timers);
  });
}

/// Limits that are not reached break none either.
DeviceRig make_limit_rig() {
  return rig_with([](std::shared_ptr<Device> device, Ground& ground) {
    stage::LimitOptions options{.breaker = stage::parse_limit_rule("breaker").value(),
                                .patience = std::chrono::seconds(5)};
    options.limiter = std::make_shared<stage::RateLimiter>(
        std::vector{stage::parse_limit_rule("urbs=100k").value(),
                    stage::parse_limit_rule("bytes=100M").value()},
        ground.timers);
    return std::make_unique<stage::LimitStage>(std::move(device), std::move(options),
                                               ground.timers);
  });
}

INSTANTIATE_TEST_SUITE_P(Limit, DeviceContract, ::testing::Values(&make_limit_rig));
INSTANTIATE_TEST_SUITE_P(Fault, DeviceContract, ::testing::Values(&make_fault_rig));
INSTANTIATE_TEST_SUITE_P(SlowFault, DeviceContract, ::testing::Values(&make_slow_rig));
INSTANTIATE_TEST_SUITE_P(Capture, DeviceContract, ::testing::Values(&make_capture_rig));

}  // namespace
}  // namespace periprox::usb::testing
