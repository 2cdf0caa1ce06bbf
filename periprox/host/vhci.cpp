#include "periprox/host/vhci.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

namespace periprox::host {
namespace {

using physical::parse_number;

/// The kernel has at most 128 controllers with 2 x 15 ports (drivers/usb/usbip/Kconfig).
constexpr unsigned kMostControllers = 128;
constexpr unsigned kMostPorts = kMostControllers * 2 * 15;

std::optional<PortState> state_of(std::uint32_t number) {
  if (number < 4 || number > 7) return std::nullopt;
  return static_cast<PortState>(number);
}

std::string running_kernel() {
  utsname names{};
  return ::uname(&names) == 0 ? names.release : std::string();
}

tl::unexpected<Error> no_vhci(const physical::SystemPaths& paths) {
  const auto release = running_kernel();
  std::string hint = "as root: modprobe vhci-hcd";
  std::string why = "the kernel's module vhci_hcd is not loaded";
  // The name of the file may end with .xz, .zst or .gz.
  const auto folder = paths.modules / release / "kernel/drivers/usb/usbip";
  const auto modules = physical::list_folder(folder);
  const bool there = std::any_of(modules.begin(), modules.end(), [](const std::string& name) {
    return name.starts_with("vhci-hcd.ko");
  });
  if (!there) {
    why = "this kernel (" + release + ") has no module vhci_hcd";
    hint =
        "install a kernel that has it: linux-image-amd64 on Debian (the cloud flavour lacks it), "
        "linux-modules-extra-" +
        release +
        " on Ubuntu; Alpine's kernels have none. "
        "`periprox transfer` and `periprox show` need no kernel module";
  }
  return fail(Error::Kind::NotFound, "cannot plug a device into this machine", std::move(why),
              std::move(hint));
}

constexpr std::string_view kPermissionHint =
    "run it as root, or let a group do it: packaging/udev/60-periprox.rules";

}  // namespace

std::string_view port_state_name(PortState state) {
  switch (state) {
    case PortState::Free:
      return "free";
    case PortState::Enumerating:
      return "enumerating";
    case PortState::InUse:
      return "in use";
    case PortState::Error:
      return "in error";
  }
  return "unknown";
}

std::vector<VhciPort> parse_vhci_status(std::string_view text) {
  std::vector<VhciPort> ports;
  std::istringstream lines{std::string(text)};
  std::string line;
  if (!std::getline(lines, line)) return ports;
  const bool has_hub = line.starts_with("hub");
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string hub = "hs";
    std::string number, state, speed, devid, socket, busid;
    if (has_hub) words >> hub;
    if (!(words >> number >> state >> speed >> devid >> socket >> busid)) continue;
    if (hub != "hs" && hub != "ss") continue;
    const auto port_number = parse_number(number);
    const auto state_number = parse_number(state);
    const auto speed_number = parse_number(speed);
    const auto device = parse_number(devid, 16);
    if (!port_number || !state_number || !speed_number || !device) continue;
    const auto known_state = state_of(*state_number);
    if (*port_number >= kMostPorts || !known_state) continue;
    VhciPort port{.number = *port_number, .is_super = hub == "ss", .state = *known_state};
    port.speed = usb::speed_from_code(*speed_number);
    port.devid = *device;
    if (busid != "0-0") port.busid = busid;
    ports.push_back(std::move(port));
  }
  return ports;
}

Result<Vhci> Vhci::open(const physical::SystemPaths& paths, Write write) {
  auto folder = paths.sys / "devices/platform/vhci_hcd.0";
  std::error_code ignored;
  if (!std::filesystem::exists(folder / "status", ignored)) return no_vhci(paths);
  return Vhci(std::move(folder), std::move(write));
}

std::vector<VhciPort> Vhci::ports() const {
  std::vector<VhciPort> all;
  for (unsigned i = 0; i < kMostControllers; ++i) {
    const auto name = i == 0 ? std::string("status") : fmt::format("status.{}", i);
    const auto text = physical::read_file(folder_ / name);
    if (!text) break;
    auto ports = parse_vhci_status(*text);
    for (auto& port : ports) {
      port.controller = i;
      port.place = port.number - std::find_if(ports.begin(), ports.end(), [&](const auto& first) {
                                   return first.is_super == port.is_super;
                                 })->number;
    }
    all.insert(all.end(), std::make_move_iterator(ports.begin()),
               std::make_move_iterator(ports.end()));
  }
  return all;
}

std::optional<VhciPort> Vhci::port(unsigned number) const {
  for (auto& port : ports()) {
    if (port.number == number) return std::move(port);
  }
  return std::nullopt;
}

/// Whether the hub still has the device that was in a free port before.
///
/// linux: drivers/usb/core/hub.c, hub_port_connect_change(). A port is free as soon as its
/// connection is closed, and the hub takes the device out later. What is plugged in meanwhile is
/// taken for the same device, and never enumerated.
bool Vhci::has_leftover(const VhciPort& port) const {
  const auto controller = folder_.parent_path() / fmt::format("vhci_hcd.{}", port.controller);
  for (const auto& hub : physical::list_folder(controller)) {
    if (!hub.starts_with("usb")) continue;
    const bool is_super = physical::read_number(controller / hub / "speed").value_or(0) > 480;
    if (is_super != port.is_super) continue;
    const auto busid = fmt::format("{}-{}", hub.substr(3), port.place + 1);
    std::error_code ignored;
    if (std::filesystem::exists(controller / hub / busid, ignored)) return true;
  }
  return false;
}

Result<Vhci::Attached> Vhci::attach(int socket, std::uint32_t devid, usb::Speed speed) const {
  const std::string what = "cannot plug the device into this machine";
  auto candidates = ports();
  std::erase_if(candidates,
                [&](const auto& port) { return port.is_super != usb::is_super(speed); });
  const bool any_of_that_hub = !candidates.empty();
  std::erase_if(candidates, [](const auto& port) { return port.state != PortState::Free; });
  const auto looked_at = candidates.size();
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto port = candidates[i];
    if (i < looked_at && has_leftover(port)) {
      candidates.push_back(port);  // Better than none.
      continue;
    }
    const auto line =
        fmt::format("{} {} {} {}", port.number, socket, devid, static_cast<unsigned>(speed));
    const int number = write_(folder_ / "attach", line);
    if (number == 0) return Attached{port.number, speed};
    if (number == EBUSY) continue;  // Somebody was faster.
    if (number == EINVAL && speed == usb::Speed::SuperPlus) {
      return attach(socket, devid, usb::Speed::Super);
    }
    if (number == EACCES || number == EPERM) {
      return fail(Error::Kind::NoPermission, what,
                  "this user may not write to " + (folder_ / "attach").string(),
                  std::string(kPermissionHint));
    }
    if (number == EINVAL) {
      return fail(
          Error::Kind::NotSupported, what,
          "the kernel refuses a device of " + std::string(usb::speed_name(speed)) + " speed",
          "`dmesg | tail` may say more");
    }
    if (number == EAGAIN) {
      return fail(Error::Kind::Busy, what, "the virtual controller is not ready",
                  "try again; if that does not help, reload the module vhci_hcd");
    }
    return tl::make_unexpected(errno_error(number, what, "`dmesg | tail` may say more"));
  }
  if (!any_of_that_hub) {
    return fail(Error::Kind::NotSupported, what,
                "this kernel's virtual controller has no port for " +
                    std::string(usb::speed_name(speed)) + " speed",
                "kernels from 4.13 on have SuperSpeed ports");
  }
  return fail(Error::Kind::Busy, what,
              std::string("all ports for ") +
                  (usb::is_super(speed) ? "SuperSpeed"
                                        : "low to high "
                                          "speed") +
                  " are taken",
              "`periprox ports` shows them and `periprox detach PORT` frees one");
}

Result<void> Vhci::detach(unsigned port) const {
  const auto what = fmt::format("cannot detach port {}", port);
  const int number = write_(folder_ / "detach", fmt::format("{}", port));
  if (number == 0) return {};
  if (number == EINVAL) {
    return fail(Error::Kind::NotFound, what, "nothing is plugged in there",
                "`periprox ports` shows the ports in use");
  }
  if (number == EACCES || number == EPERM) {
    return fail(Error::Kind::NoPermission, what,
                "this user may not write to " + (folder_ / "detach").string(),
                std::string(kPermissionHint));
  }
  return tl::make_unexpected(errno_error(number, what, "`dmesg | tail` may say more"));
}

}  // namespace periprox::host
