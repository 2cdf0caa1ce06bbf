// Platforms whose kernels have no virtual host controller that we know how to use.
#ifndef __linux__

#include "periprox/host/virtual_ports.hpp"

namespace periprox::host {

struct VirtualPorts::Impl {};

Result<std::unique_ptr<VirtualPorts>> VirtualPorts::open(Loop& /*loop*/,
                                                         VirtualPortsOptions /*options*/) {
#if defined(_WIN32)
  return fail(Error::Kind::NotSupported, "cannot plug a device into this machine",
              "attaching is not supported on Windows by this program",
              "install usbip-win2, whose driver and `usbip attach` work with `periprox serve`");
#elif defined(__APPLE__)
  return fail(Error::Kind::NotSupported, "cannot plug a device into this machine",
              "macOS lets only signed DriverKit extensions with an entitlement from Apple create "
              "USB host controllers",
              "attach the device to a Linux virtual machine instead");
#else
  return fail(Error::Kind::NotSupported, "cannot plug a device into this machine",
              "this platform has no virtual USB host controller",
              "use `periprox transfer`, which needs none, or attach on a Linux machine");
#endif
}

VirtualPorts::VirtualPorts(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
VirtualPorts::~VirtualPorts() = default;
std::vector<VirtualPort> VirtualPorts::list() const { return {}; }
Result<unsigned> VirtualPorts::attach(std::shared_ptr<usb::Device> /*device*/,
                                      std::uint32_t /*devid*/, const Origin& /*origin*/,
                                      OnEvent /*on_event*/) {
  return fail(Error::Kind::NotSupported, "cannot attach", "this platform has no virtual ports");
}
Result<unsigned> VirtualPorts::attach_socket(UniqueFd /*socket*/, std::uint32_t /*devid*/,
                                             usb::Speed /*speed*/, const Origin& /*origin*/,
                                             OnEvent /*on_event*/) {
  return fail(Error::Kind::NotSupported, "cannot attach", "this platform has no virtual ports");
}
void VirtualPorts::detach(unsigned /*port*/, Done done) {
  done(fail(Error::Kind::NotSupported, "cannot detach", "this platform has no virtual ports"));
}
Result<unsigned> VirtualPorts::find(std::string_view /*name*/) const {
  return fail(Error::Kind::NotSupported, "cannot detach", "this platform has no virtual ports");
}

}  // namespace periprox::host

#endif
