#include "periprox/physical/open_device.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "periprox/loop/loop.hpp"
#include "periprox/physical/sysfs.hpp"

namespace periprox::physical {
namespace {

/// The node of the hub with the device's port claimed; null where that is not permitted, which is
/// the normal case without root. Then a driver may take the device for a moment during a reset.
std::unique_ptr<Usbfs> hold_port(const SystemPaths& paths, const DeviceInfo& device) {
  const auto hub = paths.usb_devices() / hub_of_bus_id(device.busid);
  const auto busnum = read_number(hub / "busnum");
  const auto devnum = read_number(hub / "devnum");
  if (!busnum || !devnum) return nullptr;
  auto usbfs = open_usbfs(node_path(paths, *busnum, *devnum));
  if (!usbfs || (*usbfs)->claim_port(port_of_bus_id(device.busid)) != 0) return nullptr;
  return std::move(*usbfs);
}

ClaimTarget claim_target(const DeviceInfo& device) {
  ClaimTarget target{device.busid, device.model.configuration_value(), {}, {}};
  for (const auto& interface : device.interfaces) {
    target.interfaces.push_back(interface.number);
    const bool kernel = !interface.driver.empty() && interface.driver != "usbfs";
    if (kernel) target.driven.push_back(interface.number);
  }
  return target;
}

ClaimNote claim_note(const DeviceInfo& device, const ClaimTarget& target) {
  return {device.busid,      device.busnum,      device.devnum,
          device.idVendor(), device.idProduct(), device.model.configuration_value(),
          target.driven};
}

std::uint64_t memory_limit(const SystemPaths& paths) {
  const auto megabytes = read_number(paths.sys / "module/usbcore/parameters/usbfs_memory_mb");
  return static_cast<std::uint64_t>(megabytes.value_or(0)) << 20;
}

}  // namespace

Result<TakenDevice> take_device(const DeviceInfo& device, const OpenOptions& options) {
  if (device.refusal && !options.look) {
    const bool in_use = device.refusal->starts_with("in use");
    return fail(Error::Kind::Busy, "cannot export " + device.busid, *device.refusal,
                in_use ? "let go of it first: umount, swapoff, ..." : "");
  }
  auto opened = open_usbfs(node_path(options.paths, device.busnum, device.devnum));
  if (!opened) return forward_error(opened);
  std::shared_ptr<Usbfs> usbfs = std::move(*opened);
  // The device may have been replaced between listing and opening; node numbers are used again.
  auto now = Inventory(options.paths).find(device.busid);
  if (!now) return forward_error(now);
  if (now->devnum != device.devnum || now->busnum != device.busnum) {
    return fail(Error::Kind::Gone, "cannot open " + device.busid,
                "it was unplugged and plugged in again meanwhile", "try again");
  }
  if (options.look) {
    auto claim = Claim::nothing(usbfs, now->busid, now->model.configuration_value());
    return TakenDevice{std::move(usbfs), std::move(claim), std::move(now->model)};
  }
  ClaimTarget target = claim_target(*now);
  std::unique_ptr<ClaimRecord> record;
  auto recorded = ClaimJournal(options.paths).record(claim_note(*now, target));
  if (recorded) {
    record = std::move(*recorded);
  } else if (recorded.error().kind == Error::Kind::Busy) {
    return forward_error(recorded);
  } else if (options.device.advise) {
    options.device.advise(recorded.error().text());
  }
  auto claim =
      Claim::take(usbfs, std::move(target), hold_port(options.paths, *now), std::move(record));
  if (!claim) return forward_error(claim);
  return TakenDevice{std::move(usbfs), std::move(*claim), std::move(now->model)};
}

void open_device(Loop& loop, BlockingPool& pool, DeviceInfo device, OpenOptions options,
                 std::function<void(Result<std::unique_ptr<UsbfsDevice>>)> done) {
  if (options.device.usbfs_memory_limit == 0) {
    options.device.usbfs_memory_limit = memory_limit(options.paths);
  }
  pool.run(
      loop, [device = std::move(device), options] { return take_device(device, options); },
      [&loop, &pool, options, done = std::move(done)](Result<TakenDevice> taken) {
        if (!taken) {
          done(forward_error(taken));
          return;
        }
        done(std::make_unique<UsbfsDevice>(loop, pool, std::move(taken->usbfs),
                                           std::move(taken->claim), std::move(taken->model),
                                           options.device));
      });
}

}  // namespace periprox::physical
