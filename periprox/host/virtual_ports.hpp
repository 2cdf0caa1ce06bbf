// Plugs devices into this machine's own kernel, takes them out, and lists them.
//
// The header knows no platform. On Linux the ports are those of vhci_hcd (virtual_ports_linux.cpp);
// elsewhere open() says what would be needed (virtual_ports_elsewhere.cpp).
//
// How it works on Linux: the kernel gets one end of a socket pair and becomes one more peer that
// speaks USB/IP to a server session of ours at the other end. So the kernel sees only what this
// process has built, never the bytes of another machine (protocol: what vhci_hcd does not check is
// a lot). The two ends live as long as each other: when this process dies, the kernel unplugs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/usb/device.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox {
class Loop;
}

namespace periprox::host {

/// What a port is doing.
enum class PortUse : std::uint8_t { Free, Enumerating, InUse, InError };
/// "free", "enumerating", "in use", "in error".
[[nodiscard]] std::string_view port_use_name(PortUse use);

/// A port, and what is plugged into it.
struct VirtualPort {
  unsigned number = 0;
  bool is_super = false;  ///< For SuperSpeed devices only; the others take low to high speed.
  PortUse use = PortUse::Free;
  std::optional<usb::Speed> speed;
  std::uint32_t devid = 0;           ///< busnum << 16 | devnum at the exporter.
  std::string busid;                 ///< In this kernel; empty until the device has an address.
  std::vector<std::string> drivers;  ///< Of its interfaces; each once.
  std::string name;                  ///< Manufacturer and product.
  std::uint16_t idVendor = 0;
  std::uint16_t idProduct = 0;
  std::string locator;  ///< Where the device comes from, as it was named; empty if not known.
  int process = 0;      ///< The periprox process that serves it; 0 if none does.
  std::optional<std::chrono::system_clock::time_point> since;
};

/// Where a device comes from, for those who list the ports.
struct Origin {
  std::string locator;
  /// Host, port and bus id as stock tools show them; empty for what no server exports.
  std::string server_host;
  std::string server_port;
  std::string server_busid;
};

/// What happened to a port that this process attached a device to.
struct PortEvent {
  enum class Kind : std::uint8_t {
    Ready,  ///< The kernel has configured the device, and its drivers are bound or there are none.
    Unready,  ///< The kernel has not configured the device in time; it is still plugged in.
    Ended,    ///< The port is free again. No event follows.
  };
  Kind kind = Kind::Ended;
  VirtualPort port;
  /// Ended: why, unless it was detached on purpose.
  std::optional<Error> error;
};

struct VirtualPortsOptions {
  /// How long a device may take to be configured, and then how long its interfaces may wait for a
  /// driver before the device counts as ready without one.
  Duration enumeration = std::chrono::seconds(15);
  Duration binding = std::chrono::seconds(3);
  /// How long another process that serves a port may take to hear that it is to unplug the device;
  /// then the kernel is told to.
  Duration hearing = std::chrono::seconds(1);
  /// How long the kernel may take to free a port.
  Duration detaching = std::chrono::seconds(10);
};

/// The virtual ports of this machine. Single-threaded, on `loop`, which outlives it. Devices that
/// it attached are unplugged when it is destroyed, except those given away by attach_socket().
class VirtualPorts final {
 public:
  using OnEvent = std::function<void(const PortEvent&)>;
  using Done = std::function<void(Result<void>)>;

  /// NotSupported on platforms without virtual ports, NotFound where a module is missing.
  [[nodiscard]] static Result<std::unique_ptr<VirtualPorts>> open(Loop& loop,
                                                                  VirtualPortsOptions options = {});
  ~VirtualPorts();
  VirtualPorts(const VirtualPorts&) = delete;
  VirtualPorts& operator=(const VirtualPorts&) = delete;

  /// All ports, the free ones included, by number.
  [[nodiscard]] std::vector<VirtualPort> list() const;

  /// Plugs `device` in: returns the number of its port at once, and tells `on_event` what becomes
  /// of it, on the loop. `devid` is shown by the kernel; any number does. Busy when no port is
  /// free, NoPermission, NotSupported for a speed that this kernel has no port for.
  [[nodiscard]] Result<unsigned> attach(std::shared_ptr<usb::Device> device, std::uint32_t devid,
                                        const Origin& origin, OnEvent on_event);

  /// Gives a connection on which a server already answers the URBs of a device straight to the
  /// kernel, which trusts every byte of it. Told of `Ready` or `Unready` only.
  [[nodiscard]] Result<unsigned> attach_socket(UniqueFd socket, std::uint32_t devid,
                                               usb::Speed speed, const Origin& origin,
                                               OnEvent on_event);

  /// Unplugs whatever is in a port, whoever attached it. `done` is called once, on the loop, when
  /// the port is free; NotFound when nothing is plugged in there.
  void detach(unsigned port, Done done);

  /// The port that a person names: by its number, by the local bus id of the device in it, or by
  /// the locator that was attached. Usage when several match.
  [[nodiscard]] Result<unsigned> find(std::string_view name) const;

 private:
  struct Impl;
  explicit VirtualPorts(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace periprox::host
