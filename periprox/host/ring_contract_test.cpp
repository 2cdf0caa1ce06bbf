// A device behind a ring keeps the promises of usb::Device: an emulated one, a ring server and a
// ring client, on one block of memory. (Here, because no room below may know both kinds.)
#include <gtest/gtest.h>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/emulated_device.hpp"
#include "periprox/session/ring_testing.hpp"
#include "periprox/usb/device_contract_testing.hpp"

namespace periprox::usb::testing {
namespace {

using emulated::EmulatedDevice;
using session::RingClient;
using session::RingServer;

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

/// Both sides of a ring, and time.
struct Ring {
  Ring() {
    exports.devices["1-1"] = device.get();
    server.emplace(memory, session::testing::test_layout(memory), exports, "contract",
                   timers.now());
    client = new RingClient(memory, 1, timers.now());
  }
  /// The client's last act is to leave.
  [[nodiscard]] bool has_client() const {
    return memory.control().importer.state !=
           session::testing::code(wire::ring::ImporterState::Left);
  }
  void run() {
    for (int i = 0; i < 10; ++i) {
      timers.advance(std::chrono::milliseconds(2));
      for (bool moved = true; moved;) {
        moved = has_client() && client->poll(timers.now());
        moved |= server->poll(timers.now());
      }
    }
  }

  SimulatedTimers timers;
  session::RingMemory memory = session::testing::make_ring_memory();
  std::unique_ptr<EmulatedDevice> device =
      EmulatedDevice::create(contract_device(), Speed::High, timers).value();
  session::testing::FakeExports exports;
  std::optional<RingServer> server;
  RingClient* client = nullptr;  // The rig owns it.
};

DeviceRig make_ring_rig() {
  auto ring = std::make_shared<Ring>();
  std::unique_ptr<Device> device(ring->client);
  bool imported = false;
  ring->client->import("1-1", [&imported](Result<void> result) { imported = result.has_value(); });
  ring->run();
  if (!imported) std::abort();
  TestHost host(*device);
  host.control(SetupPacket::set_configuration(1));
  ring->run();
  return {.keep = ring,
          .device = std::move(device),
          .bulk_in = EndpointAddress(0x81),
          .bulk_out = EndpointAddress(0x01),
          .silent_in = EndpointAddress(0x82),
          .run = [ring] { ring->run(); },
          .unplug = [ring] { ring->device->unplug(); }};
}

INSTANTIATE_TEST_SUITE_P(BehindARing, DeviceContract, ::testing::Values(&make_ring_rig));

}  // namespace
}  // namespace periprox::usb::testing
