// periprox capture: what passes a device that a server on this machine exports.
#include "periprox/app/copy_capture.hpp"
#include "periprox/app/json.hpp"
#include "periprox/app/table.hpp"
#include "periprox/app/verbs.hpp"

namespace periprox::app {
namespace {

Result<void> list_watched(bool json, Output& output) {
  const auto devices = watched_devices();
  std::string text;
  if (json) {
    for (const auto& device : devices) text += watched_json(device);
    return output.write(text);
  }
  if (devices.empty()) {
    return output.write(
        "no server on this machine that this user may watch exports a device; `periprox serve` "
        "does\n");
  }
  Table table({"BUSID", "IDS", "PROCESS", "NAME", "LOCATOR"});
  for (const auto& device : devices) {
    table.add(
        {device.busid, device.ids, device.socket.filename().string(), device.name, device.locator});
  }
  return output.write(table.text());
}

}  // namespace

Result<void> capture(const CaptureOptions& options, Output& output) {
  if (options.list) return list_watched(options.json, output);
  const auto device = find_watched(watched_devices(), options.device);
  if (!device) return tl::make_unexpected(device.error());
  const auto ended = copy_capture(*device, options.file, options.snap_length);
  if (!ended) return tl::make_unexpected(ended.error());
  if (*ended) print_advice(device->busid + " is gone, and so the capture ends");
  return {};
}

}  // namespace periprox::app
