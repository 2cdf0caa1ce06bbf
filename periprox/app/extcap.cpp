// periprox extcap: what Wireshark starts to learn which devices can be captured, and to capture
// one.
//
// Wireshark's doc/extcap.adoc: an external program lists interfaces, their link types and options
// as sentences of {name=value}, and writes a capture into a FIFO until it gets SIGTERM.
#include <algorithm>

#include "periprox/app/copy_capture.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/wire/pcapng.hpp"

namespace periprox::app {
namespace {

constexpr std::string_view kPrefix = "periprox-";

/// Braces are what holds a sentence together.
std::string without_braces(std::string text) {
  std::ranges::replace(text, '{', '(');
  std::ranges::replace(text, '}', ')');
  return text;
}

/// The name for Wireshark, which remembers it: the bus id, with the server's process where that is
/// not enough.
std::string interface_name(const std::vector<WatchedDevice>& devices, const WatchedDevice& device) {
  const auto same = std::ranges::count(devices, device.busid, &WatchedDevice::busid);
  auto name = std::string(kPrefix) + device.busid;
  if (same > 1) name += "@" + device.socket.filename().string();
  return name;
}

std::string interfaces_text() {
  std::string text = "extcap {version=" PERIPROX_VERSION "}{display=PeriProx USB devices}\n";
  const auto devices = watched_devices();
  for (const auto& device : devices) {
    text += "interface {value=" + interface_name(devices, device) + "}{display=USB " +
            without_braces(device.text()) + "}\n";
  }
  return text;
}

Result<void> capture_interface(const ExtcapOptions& options) {
  const auto devices = watched_devices();
  const auto device = std::ranges::find_if(devices, [&](const WatchedDevice& each) {
    return interface_name(devices, each) == options.interface;
  });
  if (device == devices.end()) {
    return fail(Error::Kind::NotFound, "cannot capture " + options.interface,
                "the device is no longer exported", "refresh the interfaces (F5)");
  }
  const auto ended = copy_capture(*device, options.fifo, options.snap_length);
  if (!ended) return tl::make_unexpected(ended.error());
  return {};
}

}  // namespace

Result<void> extcap(const ExtcapOptions& options, Output& output) {
  if (options.interfaces) return output.write(interfaces_text());
  if (options.link_types) {
    return output.write(
        "dlt {number=" + std::to_string(static_cast<int>(wire::pcapng::LinkType::UsbLinuxMmapped)) +
        "}{name=USB_LINUX_MMAPPED}{display=USB with padded Linux header}\n");
  }
  if (options.config) {
    const auto most = std::to_string(service::StageOptions::kDefaultSnapLength);
    return output.write(
        "arg {number=0}{call=--snaplen}{display=Bytes kept of each transfer}{type=unsigned}"
        "{range=0," +
        most + "}{default=" + most + "}\n");
  }
  if (options.capture && !options.fifo.empty()) return capture_interface(options);
  return fail(Error::Kind::Usage, "cannot answer", "Wireshark asks nothing",
              "install it as Wireshark's extcap program (periprox-capture(1))");
}

}  // namespace periprox::app
