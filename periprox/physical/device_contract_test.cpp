// UsbfsDevice keeps the promises of usb::Device, on a simulated kernel with a small device behind
// it.
#include "periprox/usb/device_contract_testing.hpp"

#include <cerrno>
#include <cstring>
#include <set>

#include "periprox/physical/device_fixture_testing.hpp"
#include "periprox/physical/usbfs_device.hpp"

namespace periprox::usb::testing {
namespace {

using physical::KernelUrb;
using physical::SimulatedUsbfs;

/// Bulk 0x81 always has data, 0x02 takes everything, interrupt 0x83 is silent.
struct SimulatedMachine {
  ~SimulatedMachine() { pool.reset(); }

  void answer(KernelUrb& urb) {
    if (urb->type == USBDEVFS_URB_TYPE_CONTROL) return answer_control(urb);
    const bool halted = halts.contains(urb->endpoint);
    kernel->complete(urb, halted ? -EPIPE : 0,
                     halted ? 0 : static_cast<std::uint32_t>(urb->buffer_length));
  }

  void answer_control(KernelUrb& urb) {
    SetupPacket setup;
    std::memcpy(&setup, urb->buffer, sizeof setup);
    if (setup.is_standard(StandardRequest::SetFeature)) {
      halts.insert(static_cast<std::uint8_t>(setup.wIndex & 0xff));
      return kernel->complete(urb, 0, 0);
    }
    if (setup.is_clear_halt()) {
      halts.erase(static_cast<std::uint8_t>(setup.wIndex & 0xff));
      return kernel->complete(urb, 0, 0);
    }
    if (setup.wValue != 0x0100) return kernel->complete(urb, -EPIPE, 0);
    const auto bytes = bytes_of(model.descriptor());
    const auto count = std::min<std::size_t>(setup.wLength, bytes.size());
    std::memcpy(static_cast<std::byte*>(urb->buffer) + 8, bytes.data(), count);
    const bool forbidden = count < setup.wLength && (urb->flags & USBDEVFS_URB_SHORT_NOT_OK) != 0;
    kernel->complete(urb, forbidden ? -EREMOTEIO : 0, static_cast<std::uint32_t>(count));
  }

  bool answer_one() {
    for (std::size_t i = 0; i < kernel->pending_count(); ++i) {
      if (kernel->pending(i)->endpoint == 0x83) continue;
      answer(kernel->pending(i));
      return true;
    }
    return false;
  }

  void run() {
    bool busy = true;
    while (busy) {
      pool->wait_until_idle();
      busy = loop.poll() > 0;
      busy = answer_one() || busy;
    }
  }

  Loop loop;
  std::unique_ptr<physical::BlockingPool> pool = std::make_unique<physical::BlockingPool>();
  std::shared_ptr<SimulatedUsbfs> kernel = std::make_shared<SimulatedUsbfs>();
  DeviceModel model = physical::example_model();
  std::set<std::uint8_t> halts;
};

DeviceRig make_physical_rig() {
  auto machine = std::make_shared<SimulatedMachine>();
  machine->kernel->while_blocked = [raw = machine.get()](const std::string& call) {
    if (call == "reset") raw->halts.clear();
  };
  auto claim = physical::Claim::take(machine->kernel, {"1-1", 1, {0, 1}, {}}, nullptr, nullptr);
  auto device = std::make_unique<physical::UsbfsDevice>(
      machine->loop, *machine->pool, machine->kernel, std::move(*claim), machine->model,
      physical::UsbfsDeviceOptions{});
  return {.keep = machine,
          .device = std::move(device),
          .bulk_in = EndpointAddress(0x81),
          .bulk_out = EndpointAddress(0x02),
          .silent_in = EndpointAddress(0x83),
          .run = [machine] { machine->run(); },
          .unplug = [machine] { machine->kernel->unplug(); }};
}

INSTANTIATE_TEST_SUITE_P(Physical, DeviceContract, ::testing::Values(&make_physical_rig));

}  // namespace
}  // namespace periprox::usb::testing
