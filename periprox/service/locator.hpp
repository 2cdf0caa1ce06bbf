// The words that name a device, wherever it is: "1-1.2", "emulated:go_temp?celsius=21.5",
// "usbip://host/1-1". docs/man/periprox.1 lists them all.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "periprox/base/result.hpp"
#include "periprox/emulated/settings.hpp"
#include "periprox/link/address.hpp"
#include "periprox/physical/locator.hpp"
#include "periprox/service/ring_address.hpp"

namespace periprox::service {

/// A device that does not exist, and its settings.
struct EmulatedLocator {
  std::string name;
  emulated::Settings settings;
  friend bool operator==(const EmulatedLocator&, const EmulatedLocator&) = default;
};

/// A device that a USB/IP server exports; `device.busid` is the server's.
struct RemoteLocator {
  link::Address server;
  physical::Locator device;
  friend bool operator==(const RemoteLocator&, const RemoteLocator&) = default;
};

/// A device that a capture plays, and how.
struct RecordedLocator {
  std::string path;
  emulated::Settings settings;
  friend bool operator==(const RecordedLocator&, const RecordedLocator&) = default;
};

/// A device at the other end of a child's standard input and output; the shell runs the command.
struct CommandLocator {
  std::string command;
  friend bool operator==(const CommandLocator&, const CommandLocator&) = default;
};

/// A device at the other end of a connection that this process was started with.
struct DescriptorLocator {
  int fd = 0;
  friend bool operator==(const DescriptorLocator&, const DescriptorLocator&) = default;
};

using Locator = std::variant<physical::Locator, EmulatedLocator, RemoteLocator, RecordedLocator,
                             CommandLocator, DescriptorLocator, RingLocator>;

/// Reads a device locator. Usage says what is wrong with anything else, NotSupported names a form
/// that this build cannot open.
[[nodiscard]] Result<Locator> parse_locator(std::string_view text);

/// Reads a server without a device: "usbip://HOST[:PORT]", "usbip+unix:///PATH",
/// "usbip+vsock://CID[:PORT]".
[[nodiscard]] Result<link::Address> parse_server(std::string_view text);

/// Replaces %XX by the byte it stands for; Usage for '%' that is followed by anything else, or for
/// %00.
[[nodiscard]] Result<std::string> percent_decode(std::string_view text);

}  // namespace periprox::service
