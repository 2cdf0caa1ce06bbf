// Any text as a fault rule, then any traffic through a stage with that rule: nothing may crash, and
// every URB completes exactly once.
//
// Up to the first zero byte the input is the rule; each byte after it is something that the host
// or the device does.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/fuzz_input.hpp"
#include "fuzz/require.hpp"
#include "periprox/base/simulated_timers.hpp"
#include "periprox/stage/fault_stage.hpp"
#include "periprox/stage/stage_testing.hpp"
#include "periprox/usb/test_host.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace periprox;  // NOLINT(google-build-using-namespace)
  FuzzInput input(data, size);
  std::string text;
  for (auto letter = input.byte(); letter != 0; letter = input.byte())
    text += static_cast<char>(letter);
  auto rule = stage::parse_fault_rule(text);
  if (!rule) {
    PERIPROX_REQUIRE(rule.error().kind == Error::Kind::Usage);
    return 0;
  }
  SimulatedTimers timers;
  auto held = std::make_shared<stage::testing::HeldDevice>();
  auto& device = *held;
  stage::FaultOptions options{.rules = {std::move(*rule)}};
  options.dice = std::make_shared<std::vector<stage::FaultDice>>();
  options.dice->emplace_back(1, 0, 0);
  auto fault = std::make_unique<stage::FaultStage>(std::move(held), std::move(options), timers);
  usb::testing::TestHost host(*fault);
  std::uint64_t last = 0;
  const std::vector<std::byte> bytes(64);
  while (!input.empty()) {
    const auto choice = input.byte();
    switch (choice % 8) {
      case 0:
        last = host.in(usb::EndpointAddress(0x82), 64);
        break;
      case 1:
        last = host.out(usb::EndpointAddress(0x02), bytes);
        break;
      case 2:
        last = host.control(usb::SetupPacket::get_descriptor(1, 0, 18));
        break;
      case 3:
        last = host.control(usb::SetupPacket::port_reset());
        break;
      case 4:
        if (last > choice / 8U) host.cancel(last - choice / 8U);
        break;
      case 5:
        timers.advance(std::chrono::milliseconds(choice / 8 * 10));
        break;
      default:
        if (!device.held.empty()) device.complete_next("some data");
    }
  }
  fault.reset();
  for (std::uint64_t id = 1; id <= last; ++id) PERIPROX_REQUIRE(host.times_completed(id) == 1);
  return 0;
}
