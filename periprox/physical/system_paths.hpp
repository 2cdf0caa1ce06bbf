// Where the machine is found; tests build a machine of their own in a temporary folder.
#pragma once

#include <filesystem>

namespace periprox::physical {

struct SystemPaths {
  std::filesystem::path sys = "/sys";
  std::filesystem::path dev = "/dev";
  std::filesystem::path proc = "/proc";
  /// Where the records of taken devices are kept; it should not outlive a reboot.
  std::filesystem::path run = "/run/periprox";
  /// Where the kernel's modules lie, in a folder for each release.
  std::filesystem::path modules = "/lib/modules";

  [[nodiscard]] std::filesystem::path usb_devices() const { return sys / "bus/usb/devices"; }
};

}  // namespace periprox::physical
