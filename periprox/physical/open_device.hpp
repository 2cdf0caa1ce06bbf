// From a device in the inventory to a usb::Device: opened, taken from the kernel's drivers, ready.
#pragma once

#include <functional>
#include <memory>

#include "periprox/base/result.hpp"
#include "periprox/physical/inventory.hpp"
#include "periprox/physical/usbfs_device.hpp"

namespace periprox::physical {

struct OpenOptions {
  SystemPaths paths;
  UsbfsDeviceOptions device;
  /// Only to look at: the device stays with its drivers, and what they forbid to export may be
  /// looked at too. Requests to the device itself work (its descriptors), nothing else.
  bool look = false;
};

/// A device that was taken but does not run on an event loop yet.
struct TakenDevice {
  std::shared_ptr<Usbfs> usbfs;
  std::unique_ptr<Claim> claim;
  usb::DeviceModel model;
};

/// Opens and takes a device. Blocks. Refuses what `device.refusal` forbids, and a device that is no
/// longer the one that was listed. Whatever was taken when this fails is given back.
[[nodiscard]] Result<TakenDevice> take_device(const DeviceInfo& device, const OpenOptions& options);

/// The same on a thread of `pool`; `done` is called on `loop`.
void open_device(Loop& loop, BlockingPool& pool, DeviceInfo device, OpenOptions options,
                 std::function<void(Result<std::unique_ptr<UsbfsDevice>>)> done);

}  // namespace periprox::physical
