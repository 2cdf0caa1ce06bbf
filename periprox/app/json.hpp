// What the verbs print for programs. The only place that knows the JSON library.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/app/endpoint_figures.hpp"
#include "periprox/app/watched.hpp"
#include "periprox/base/result.hpp"
#include "periprox/check/suite.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/host/local.hpp"
#include "periprox/link/address.hpp"
#include "periprox/physical/inventory.hpp"
#include "periprox/service/event.hpp"
#include "periprox/service/export_table.hpp"
#include "periprox/usb/description.hpp"

namespace periprox::app {

/// All of these are one line with its end, and valid UTF-8 whatever a device or a peer sent.
[[nodiscard]] std::string error_json(const Error& error);
[[nodiscard]] std::string ready_json(const std::vector<std::string>& listen,
                                     const std::vector<service::ExportTable::Entry>& devices);
/// Reads the devices in what ready_json() gave to another process; none when it means nothing.
[[nodiscard]] std::vector<WatchedDevice> parse_watched(std::string_view text);
/// A device that can be watched.
[[nodiscard]] std::string watched_json(const WatchedDevice& device);
[[nodiscard]] std::string event_json(const service::Event& event);
/// `plugged` says more of devices that are plugged in here, in the same order; or is empty.
[[nodiscard]] std::string devices_json(const std::vector<session::ListedDevice>& devices,
                                       std::span<const physical::DeviceInfo> plugged = {});
[[nodiscard]] std::string catalog_json(std::span<const emulated::DeviceType> types);
[[nodiscard]] std::string description_json(const usb::DeviceModel& model,
                                           const usb::DescriptionNode& root);
[[nodiscard]] std::string outcome_json(usb::EndpointAddress endpoint, const host::Outcome& outcome);
/// What a case is, and what came of it when there is an outcome.
[[nodiscard]] std::string case_json(const check::Case& each, const check::Outcome* outcome);
[[nodiscard]] std::string counts_json(const check::Counts& counts);

/// A transfer of a capture, `seconds` after its start, and what it means.
[[nodiscard]] std::string traced_json(const recorded::TracedTransfer& transfer, double seconds,
                                      const std::string& meaning);
[[nodiscard]] std::string figures_json(const recorded::TracedAddress& address,
                                       std::uint8_t endpoint, const EndpointFigures& figures);

}  // namespace periprox::app
