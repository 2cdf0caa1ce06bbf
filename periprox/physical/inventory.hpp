// What is plugged into this machine, as sysfs tells it; no udev and no opened device is needed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/physical/locator.hpp"
#include "periprox/physical/system_paths.hpp"
#include "periprox/usb/device_model.hpp"

namespace periprox::physical {

/// One interface of the active configuration, in its active alternate setting.
struct InterfaceInfo {
  std::uint8_t number = 0;
  usb::ClassCode class_code;
  std::string driver;  ///< The kernel driver that holds it; empty when none does.
};

/// A plugged-in device.
struct DeviceInfo {
  std::string busid;
  std::uint32_t busnum = 0;
  std::uint32_t devnum = 0;
  usb::DeviceModel model;  ///< With the active configuration, alternate settings 0 and the names.
  std::vector<InterfaceInfo> interfaces;
  bool imported = false;  ///< On a port of vhci_hcd: really plugged in at another machine.
  /// Why it may not be exported: a hub, attached through vhci_hcd, in use. Empty when it may.
  std::optional<std::string> refusal;
  std::filesystem::path sysfs;  ///< Its folder, with all links resolved.

  [[nodiscard]] std::uint16_t idVendor() const { return model.descriptor().idVendor; }
  [[nodiscard]] std::uint16_t idProduct() const { return model.descriptor().idProduct; }
};

/// Reads the devices of a machine anew at each call.
class Inventory {
 public:
  explicit Inventory(SystemPaths paths = {}) : paths_(std::move(paths)) {}

  /// All devices but root hubs, by bus id. A device that cannot be read (it is just being
  /// unplugged) is left out.
  [[nodiscard]] std::vector<DeviceInfo> list() const;
  /// One device by its bus id: NotFound when there is none, Gone when it disappears meanwhile,
  /// Malformed when its descriptors cannot be understood at all.
  [[nodiscard]] Result<DeviceInfo> find(const std::string& busid) const;
  /// The device that a locator names: NotFound for none, Usage for more than one.
  [[nodiscard]] Result<DeviceInfo> select(const Locator& locator) const;
  [[nodiscard]] Result<DeviceInfo> select(std::string_view locator) const;

  [[nodiscard]] const SystemPaths& paths() const { return paths_; }

 private:
  SystemPaths paths_;
};

/// True when a device fits a locator. Ids never mean an imported device: exported here and imported
/// here too, a device would else be two of its kind.
[[nodiscard]] bool matches(const Locator& locator, const DeviceInfo& device);

/// Reads what the sysfs attribute `descriptors` holds: the device descriptor, then each
/// configuration's block. A block whose wTotalLength is wrong ends where the next one starts or the
/// bytes end. Empty when there is not even a device descriptor.
[[nodiscard]] std::optional<usb::DeviceModel> parse_descriptors(usb::Speed speed, Bytes bytes);

}  // namespace periprox::physical
