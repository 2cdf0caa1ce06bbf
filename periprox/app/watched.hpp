// Devices that a server on this machine exports, seen by somebody who wants to watch them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox::app {

struct WatchedDevice {
  std::filesystem::path socket;     ///< Of its server, named by the server's process.
  std::vector<std::string> listen;  ///< Where that server listens: "tcp://127.0.0.1:3240".
  std::string busid;
  std::string locator;
  std::string ids;   ///< "08f7:0002"
  std::string name;  ///< Manufacturer and product; printable.

  /// "1-1  08f7:0002 Vernier Go! Temp"
  [[nodiscard]] std::string text() const;
};

/// Asks every server of this machine that this user may watch.
[[nodiscard]] std::vector<WatchedDevice> watched_devices();

/// The one of `devices` that is meant by a bus id, ids or locator, or by a server's address and a
/// bus id ("usbip://localhost/1-1"), or by a bus id and a process ("1-1@4711").
[[nodiscard]] Result<WatchedDevice> find_watched(const std::vector<WatchedDevice>& devices,
                                                 std::string_view text);

/// Begins to watch: the capture is read from the descriptor. SIGINT and SIGTERM end it in order
/// from then on, so that its end can still be read; the second of them ends the process.
[[nodiscard]] Result<UniqueFd> watch(const WatchedDevice& device, std::uint32_t snap_length);

/// True when such a signal came.
[[nodiscard]] bool was_watch_ended();

}  // namespace periprox::app
