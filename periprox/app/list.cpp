// periprox list: the devices here, those of a server, or those that can be emulated.
#include <algorithm>
#include <optional>

#include "periprox/app/json.hpp"
#include "periprox/app/table.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/physical/inventory.hpp"
#include "periprox/physical/names.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/remote_opener.hpp"
#include "periprox/service/ring_opener.hpp"
#include "periprox/usb/class_names.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::app {
namespace {

std::string class_words(const usb::ClassCode& code) {
  const auto name = usb::class_name(code.code);
  std::string words = name.empty() ? "class " + usb::hex_text(code.code) : std::string(name);
  const auto protocol = usb::protocol_name(code);
  if (!protocol.empty()) words += " (" + std::string(protocol) + ")";
  return words;
}

/// The classes of the interfaces, or of the device when it lists none; each once.
std::string all_classes(const session::ListedDevice& device) {
  std::vector<std::string> words;
  for (const auto& interface : device.interfaces) {
    auto word = class_words(interface);
    if (std::find(words.begin(), words.end(), word) == words.end())
      words.push_back(std::move(word));
  }
  if (words.empty()) {
    const auto& record = device.record;
    words.push_back(
        class_words({record.bDeviceClass, record.bDeviceSubClass, record.bDeviceProtocol}));
  }
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// What is known only of a device that is plugged in here.
struct LocalFacts {
  std::string drivers;
  std::string name;
};

/// The drivers that hold the interfaces; each once.
std::string all_drivers(const physical::DeviceInfo& device) {
  std::vector<std::string> drivers;
  for (const auto& interface : device.interfaces) {
    const auto& driver = interface.driver;
    if (driver.empty() || std::find(drivers.begin(), drivers.end(), driver) != drivers.end())
      continue;
    drivers.push_back(driver);
  }
  std::string text;
  for (const auto& driver : drivers) text += (text.empty() ? "" : ", ") + driver;
  return text.empty() ? "-" : text;
}

/// Manufacturer and product: what the device says itself, else what usb.ids says of its ids.
std::string name_of(const physical::DeviceInfo& device, const physical::UsbNames& names) {
  std::string name = device.model.manufacturer;
  if (name.empty()) name = names.vendor(device.idVendor());
  std::string product = device.model.product;
  if (product.empty()) product = names.product(device.idVendor(), device.idProduct());
  if (!name.empty() && !product.empty()) name += ' ';
  return name + product;
}

/// `facts` are those of the devices, in the same order, or none.
std::string device_table(const std::vector<session::ListedDevice>& devices,
                         const std::vector<LocalFacts>& facts) {
  std::vector<std::string> heads{"BUSID", "IDS", "SPEED", "INTERFACES"};
  if (!facts.empty()) heads.insert(heads.end(), {"DRIVER", "NAME"});
  Table table(std::move(heads));
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const auto& record = devices[i].record;
    const auto speed = usb::speed_from_code(record.speed);
    std::vector<std::string> cells{std::string(wire::usbip::name_in(record.busid).value_or("")),
                                   usb::ids_text(record.idVendor, record.idProduct),
                                   speed ? std::string(usb::speed_name(*speed)) : "unknown",
                                   all_classes(devices[i])};
    if (i < facts.size()) cells.insert(cells.end(), {facts[i].drivers, facts[i].name});
    table.add(std::move(cells));
  }
  return table.text();
}

/// Asks `server`, an address that `opener` knows, and waits for the answer.
template <typename Opener, typename Address>
Result<void> list_at(const Address& server, const ListOptions& options, Output& output) {
  Loop loop;
  std::optional<Result<std::vector<session::ListedDevice>>> listed;
  Opener opener(loop);
  opener.list(server, [&](auto result) { listed = std::move(result); });
  loop.run_until([&] { return listed.has_value(); });
  if (!*listed) return forward_error(*listed);
  if (options.json) return output.write(devices_json(**listed));
  if ((*listed)->empty()) {
    return output.write(server.text() + " exports no device that is free\n");
  }
  return output.write(device_table(**listed, {}));
}

Result<void> list_server(const ListOptions& options, Output& output) {
  if (service::is_ring(options.server)) {
    const auto ring = service::parse_ring_address(options.server);
    if (!ring) return tl::make_unexpected(ring.error());
    return list_at<service::RingOpener>(*ring, options, output);
  }
  const auto server = service::parse_server(options.server);
  if (!server) return tl::make_unexpected(server.error());
  return list_at<service::RemoteOpener>(*server, options, output);
}

Result<void> list_emulated(const ListOptions& options, Output& output) {
  if (options.json) return output.write(catalog_json(emulated::catalog()));
  std::string text;
  for (const auto& type : emulated::catalog()) {
    text += "emulated:" + std::string(type.name) + "\n  " + std::string(type.summary) + '\n';
    Table table({});
    for (const auto& setting : type.settings) {
      const auto fallback =
          setting.fallback.empty() ? std::string() : "(" + std::string(setting.fallback) + ")";
      table.add({"  " + std::string(setting.name) + "=", fallback, std::string(setting.help)});
    }
    text += table.text();
  }
  return output.write(text);
}

Result<void> list_here(const ListOptions& options, Output& output) {
  std::vector<session::ListedDevice> devices;
  std::vector<LocalFacts> facts;
  const auto plugged = physical::Inventory().list();
  const physical::UsbNames names;
  for (const auto& device : plugged) {
    const wire::usbip::DeviceAddress address{.path = device.sysfs.string(),
                                             .busid = device.busid,
                                             .busnum = static_cast<std::uint16_t>(device.busnum),
                                             .devnum = static_cast<std::uint16_t>(device.devnum)};
    devices.push_back(
        {wire::usbip::encode_device(address, device.model), device.model.interface_classes()});
    auto name = name_of(device, names);
    if (device.refusal) name += " [" + *device.refusal + "]";
    facts.push_back({.drivers = all_drivers(device), .name = std::move(name)});
  }
  if (options.json) return output.write(devices_json(devices, plugged));
  if (devices.empty()) {
    return output.write(
        "no USB device is plugged in here; `periprox list --emulated` shows what "
        "can be emulated\n");
  }
  return output.write(device_table(devices, facts));
}

}  // namespace

Result<void> list(const ListOptions& options, Output& output) {
  if (options.emulated) return list_emulated(options, output);
  if (!options.server.empty()) return list_server(options, output);
  return list_here(options, output);
}

}  // namespace periprox::app
