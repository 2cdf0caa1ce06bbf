// The virtual host controllers of the Linux kernel (vhci_hcd), as sysfs shows them.
//
// linux: drivers/usb/usbip/vhci_sysfs.c, Documentation/ABI/testing/sysfs-platform-vhci_hcd. Every
// controller has two root hubs with the same number of ports, one for low to high speed ("hs") and
// one for SuperSpeed ("ss"). Ports are numbered through all of them, and all files stand below
// vhci_hcd.0: `status` for the first controller, `status.1` and so on for the others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/physical/sysfs.hpp"
#include "periprox/physical/system_paths.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox::host {

/// What a port is doing; the numbers are the kernel's (enum usbip_device_status).
enum class PortState : std::uint8_t {
  Free = 4,
  Enumerating = 5,  ///< A device is there and has no address yet.
  InUse = 6,
  Error = 7,
};
/// "free", "enumerating", "in use", "in error".
[[nodiscard]] std::string_view port_state_name(PortState state);

/// One port of a virtual controller.
struct VhciPort {
  unsigned number = 0;
  bool is_super = false;  ///< Of a SuperSpeed root hub.
  PortState state = PortState::Free;
  std::optional<usb::Speed> speed;  ///< Of the device, if there is one.
  std::uint32_t devid = 0;          ///< busnum << 16 | devnum at the exporter.
  std::string busid;                ///< Here, e.g. "3-1"; empty until the device has an address.
  unsigned controller = 0;          ///< Filled in by Vhci::ports().
  unsigned place = 0;               ///< At its hub, from 0. The same.
  friend bool operator==(const VhciPort&, const VhciPort&) = default;
};

/// Reads the text of a `status` file. Rows that make no sense, and those of a controller that is
/// not ready, are left out. Kernels before 4.13 have no `hub` column: their ports are not
/// SuperSpeed.
[[nodiscard]] std::vector<VhciPort> parse_vhci_status(std::string_view text);

/// The kernel's controllers. Calls block for as long as the kernel takes, which is not long. Any
/// thread.
class Vhci final {
 public:
  /// Writes to an attribute; 0 or an errno. Tests put a kernel of their own here.
  using Write = std::function<int(const std::filesystem::path&, std::string_view)>;

  /// NotFound, with the remedy, when the kernel has no virtual controller.
  [[nodiscard]] static Result<Vhci> open(const physical::SystemPaths& paths = {},
                                         Write write = physical::write_attribute);

  /// Every port of every controller, by number.
  [[nodiscard]] std::vector<VhciPort> ports() const;
  [[nodiscard]] std::optional<VhciPort> port(unsigned number) const;

  /// Where a device was plugged in, and the speed that it was announced with.
  struct Attached {
    unsigned port = 0;
    usb::Speed speed = usb::Speed::High;
  };
  /// Hands a connected stream socket, on which the URBs of a device are answered, to a free port of
  /// the hub that fits `speed`; one that the kernel has not wholly emptied yet is the last choice.
  /// A port that somebody else takes meanwhile is passed over; a kernel that does not know
  /// `SuperPlus` (before 6.12) is told `Super`. The kernel keeps a reference of its own: `socket`
  /// may be closed afterwards. Busy when no port is free, NoPermission, NotSupported for a speed
  /// the kernel has no port for.
  [[nodiscard]] Result<Attached> attach(int socket, std::uint32_t devid, usb::Speed speed) const;
  /// Takes the device out of a port. NotFound when nothing is plugged in there.
  [[nodiscard]] Result<void> detach(unsigned port) const;

 private:
  [[nodiscard]] bool has_leftover(const VhciPort& port) const;

  Vhci(std::filesystem::path folder, Write write)
      : folder_(std::move(folder)), write_(std::move(write)) {}

  std::filesystem::path folder_;
  Write write_;
};

}  // namespace periprox::host
