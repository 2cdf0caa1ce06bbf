#include "periprox/host/local_device.hpp"

#include <utility>

#include "periprox/physical/sysfs.hpp"

namespace periprox::host {
namespace {

std::uint16_t read_id(const std::filesystem::path& file) {
  return static_cast<std::uint16_t>(physical::read_number(file, 16).value_or(0));
}

}  // namespace

LocalDevice look_at_device(const physical::SystemPaths& paths, const std::string& busid) {
  LocalDevice device;
  const auto folder = paths.usb_devices() / busid;
  for (const auto& entry : physical::list_folder(folder)) {
    if (!entry.starts_with(busid + ":")) continue;
    ++device.interfaces;
    if (auto driver = physical::link_name(folder / entry / "driver")) {
      device.drivers.push_back(std::move(*driver));
    }
  }
  device.idVendor = read_id(folder / "idVendor");
  device.idProduct = read_id(folder / "idProduct");
  return device;
}

}  // namespace periprox::host
