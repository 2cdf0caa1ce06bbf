// The verbs of the command line, one file each.
#pragma once

#include "periprox/app/options.hpp"
#include "periprox/app/output.hpp"
#include "periprox/base/result.hpp"

namespace periprox::app {

/// Exports devices until SIGINT or SIGTERM.
[[nodiscard]] Result<void> serve(const ServeOptions& options, Output& output);
/// Lists the devices of this machine or of a server, or what can be emulated.
[[nodiscard]] Result<void> list(const ListOptions& options, Output& output);
/// Prints every descriptor of a device.
[[nodiscard]] Result<void> show(const ShowOptions& options, Output& output);
/// Makes transfers; data on standard input and output.
[[nodiscard]] Result<void> transfer(const TransferOptions& options, Output& output);
/// Examines a USB/IP server, case by case; Failed when a case fails.
[[nodiscard]] Result<void> check(const CheckOptions& options, Output& output);

/// Prints what a capture holds, or where two captures differ first.
[[nodiscard]] Result<void> inspect(const InspectOptions& options, Output& output);
/// Writes what passes a device that a server on this machine exports, until interrupted.
[[nodiscard]] Result<void> capture(const CaptureOptions& options, Output& output);
/// Answers Wireshark (doc/extcap.adoc of its sources).
[[nodiscard]] Result<void> extcap(const ExtcapOptions& options, Output& output);
/// Plugs devices into this machine's kernel until SIGINT or SIGTERM, or leaves them there.
[[nodiscard]] Result<void> attach(const AttachOptions& options, Output& output);
/// Takes devices out of this machine's kernel.
[[nodiscard]] Result<void> detach(const DetachOptions& options, Output& output);
/// Lists the virtual ports of this machine's kernel.
[[nodiscard]] Result<void> ports(const PortsOptions& options, Output& output);
/// Exports one device over standard input and output.
[[nodiscard]] Result<void> export_device(const ExportOptions& options);

}  // namespace periprox::app
