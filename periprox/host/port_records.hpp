// What is remembered on disk about devices that were plugged into this machine's virtual ports.
//
// The kernel knows that a port is in use, not where the device comes from. Two records say so: one
// of ours (/run/periprox/ports/N), with everything that `periprox ports` shows; and the one that
// the stock tools write and `usbip port` reads (linux: tools/usb/usbip/src/usbip_attach.c,
// /var/run/vhci_hcd/portN: "HOST PORT BUSID\n"). Neither is needed for the port to work, so a
// folder that cannot be written to costs the information and nothing else.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "periprox/physical/system_paths.hpp"

namespace periprox::host {

/// The three words of a stock record.
struct StockOrigin {
  std::string host;
  std::string port;
  std::string busid;  ///< At most 31 characters.
  friend bool operator==(const StockOrigin&, const StockOrigin&) = default;
};

/// Where the device in a port comes from.
struct PortOrigin {
  std::string locator;
  std::string name;  ///< Manufacturer and product.
  std::uint16_t idVendor = 0;
  std::uint16_t idProduct = 0;
  pid_t process = 0;  ///< Of ours that answers the kernel; 0 when the kernel has the connection.
  std::uint32_t devid = 0;                      ///< As the kernel was told.
  std::chrono::system_clock::time_point since;  ///< Whole seconds.
  friend bool operator==(const PortOrigin&, const PortOrigin&) = default;
};

/// The text of a record, and back; empty for anything that format_port_origin() did not write.
[[nodiscard]] std::string format_port_origin(const PortOrigin& origin);
[[nodiscard]] std::optional<PortOrigin> parse_port_origin(std::string_view text);
/// The text of a stock record, and back. Blanks within words become '_', long ones are cut.
[[nodiscard]] std::string format_stock_origin(const StockOrigin& origin);
[[nodiscard]] std::optional<StockOrigin> parse_stock_origin(std::string_view text);

/// The two folders of records.
class PortRecords {
 public:
  explicit PortRecords(const physical::SystemPaths& paths = {},
                       std::filesystem::path stock_folder = "/var/run/vhci_hcd")
      : ours_(paths.run / "ports"), stock_(std::move(stock_folder)) {}

  /// Remembers where the device in a port comes from; false when that cannot be written.
  bool write(unsigned port, const PortOrigin& origin, const StockOrigin& stock) const;
  void remove(unsigned port) const;
  /// What is remembered of a port in which a device with this devid is plugged in: a record left by
  /// a device before it is not believed.
  [[nodiscard]] std::optional<PortOrigin> read(unsigned port, std::uint32_t devid) const;
  [[nodiscard]] std::optional<StockOrigin> read_stock(unsigned port) const;
  /// Where the process that serves a port hears requests to unplug (unplug_request.hpp).
  [[nodiscard]] std::filesystem::path unplug_socket(unsigned port) const;

 private:
  std::filesystem::path ours_;
  std::filesystem::path stock_;
};

}  // namespace periprox::host
