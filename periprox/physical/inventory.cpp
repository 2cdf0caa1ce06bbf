// Documentation/ABI/stable/sysfs-bus-usb says what the attributes hold.
#include "periprox/physical/inventory.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "periprox/physical/storage_use.hpp"
#include "periprox/physical/sysfs.hpp"

namespace periprox::physical {
namespace {

constexpr std::uint8_t kHubClass = 0x09;

std::uint8_t byte_attribute(const std::filesystem::path& path) {
  return static_cast<std::uint8_t>(read_number(path, 16).value_or(0));
}

std::uint8_t number_at(Bytes bytes, std::size_t at) {
  return std::to_integer<std::uint8_t>(bytes[at]);
}

/// Where the configuration block at the front of `bytes` really ends: where it says, but neither
/// beyond the bytes nor beyond the start of the next one.
std::size_t configuration_length(Bytes bytes) {
  const auto header = read_as<usb::ConfigurationDescriptor>(bytes);
  const std::size_t claimed =
      header ? std::min<std::size_t>(header->wTotalLength, bytes.size()) : bytes.size();
  std::size_t at = sizeof(usb::ConfigurationDescriptor);
  while (at + 2 <= claimed) {
    const std::size_t length = number_at(bytes, at);
    const bool next =
        number_at(bytes, at + 1) == static_cast<std::uint8_t>(usb::DescriptorType::Configuration);
    if (next && length >= sizeof(usb::ConfigurationDescriptor)) return at;
    if (length < 2) break;
    at += length;
  }
  return std::max(claimed, std::min(bytes.size(), sizeof(usb::ConfigurationDescriptor)));
}

std::vector<InterfaceInfo> read_interfaces(const std::filesystem::path& folder,
                                           const std::string& busid) {
  std::vector<InterfaceInfo> interfaces;
  for (const auto& name : list_folder(folder)) {
    if (!name.starts_with(busid + ":")) continue;
    const auto number = read_number(folder / name / "bInterfaceNumber", 16);
    if (!number || *number > 0xff) continue;
    InterfaceInfo interface;
    interface.number = static_cast<std::uint8_t>(*number);
    interface.class_code = {byte_attribute(folder / name / "bInterfaceClass"),
                            byte_attribute(folder / name / "bInterfaceSubClass"),
                            byte_attribute(folder / name / "bInterfaceProtocol")};
    interface.driver = link_name(folder / name / "driver").value_or("");
    interfaces.push_back(std::move(interface));
  }
  std::sort(interfaces.begin(), interfaces.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return interfaces;
}

bool is_on_vhci(const std::filesystem::path& folder) {
  return std::any_of(folder.begin(), folder.end(), [](const std::filesystem::path& part) {
    return part.native().starts_with("vhci_hcd");
  });
}

std::optional<std::string> refusal_of(const SystemPaths& paths, const DeviceInfo& device) {
  if (device.model.descriptor().bDeviceClass == kHubClass) return "it is a hub";
  if (device.imported) return "it is attached from another machine";
  if (const auto use = storage_use(paths, device.sysfs)) return "in use: " + *use;
  return std::nullopt;
}

Error gone(const std::string& busid) {
  return {Error::Kind::Gone, "cannot read " + busid, "it was unplugged meanwhile", {}};
}

std::string join_bus_ids(const std::vector<DeviceInfo>& devices) {
  std::string text;
  for (const auto& device : devices) text += (text.empty() ? "" : ", ") + device.busid;
  return text;
}

}  // namespace

std::optional<usb::DeviceModel> parse_descriptors(usb::Speed speed, Bytes bytes) {
  const auto device = read_as<usb::DeviceDescriptor>(bytes);
  if (!device || device->bLength != sizeof(usb::DeviceDescriptor) ||
      device->bDescriptorType != static_cast<std::uint8_t>(usb::DescriptorType::Device)) {
    return std::nullopt;
  }
  std::vector<usb::Configuration> configurations;
  Bytes rest = bytes.subspan(sizeof(usb::DeviceDescriptor));
  while (!rest.empty() && configurations.size() < device->bNumConfigurations) {
    const Bytes block = rest.first(configuration_length(rest));
    auto parsed = usb::parse_configuration(block);
    if (!parsed) break;
    configurations.push_back(std::move(parsed->configuration));
    rest = rest.subspan(block.size());
  }
  return usb::DeviceModel(speed, *device, std::move(configurations));
}

Result<DeviceInfo> Inventory::find(const std::string& busid) const {
  const auto link = paths_.usb_devices() / busid;
  std::error_code error;
  DeviceInfo device;
  device.busid = busid;
  device.sysfs = std::filesystem::canonical(link, error);
  if (error || !is_bus_id(busid)) {
    return fail(Error::Kind::NotFound, "no device " + busid, "nothing is plugged in there",
                "periprox list shows what is");
  }
  const auto busnum = read_number(device.sysfs / "busnum");
  const auto devnum = read_number(device.sysfs / "devnum");
  const auto speed = usb::parse_speed_mbps(read_attribute(device.sysfs / "speed").value_or(""));
  const auto descriptors = read_file(device.sysfs / "descriptors", std::size_t{1} << 20);
  if (!busnum || !devnum || !descriptors) return tl::make_unexpected(gone(busid));
  if (!speed) {
    return fail(Error::Kind::NotSupported, "cannot use " + busid, "its speed is not known");
  }
  auto model = parse_descriptors(*speed, bytes_of_text(*descriptors));
  if (!model) {
    return fail(Error::Kind::Malformed, "cannot use " + busid,
                fmt::format("its device descriptor is broken ({} bytes)", descriptors->size()));
  }
  device.busnum = *busnum;
  device.devnum = *devnum;
  device.model = std::move(*model);
  device.model.manufacturer = read_attribute(device.sysfs / "manufacturer").value_or("");
  device.model.product = read_attribute(device.sysfs / "product").value_or("");
  device.model.serial_number = read_attribute(device.sysfs / "serial").value_or("");
  if (const auto bos = read_file(device.sysfs / "bos_descriptors")) {
    const auto bytes = bytes_of_text(*bos);
    device.model.bos.assign(bytes.begin(), bytes.end());
  }
  const auto active = read_number(device.sysfs / "bConfigurationValue").value_or(0);
  device.model.set_configuration(static_cast<std::uint8_t>(active & 0xff));
  device.interfaces = read_interfaces(device.sysfs, busid);
  device.imported = is_on_vhci(device.sysfs);
  device.refusal = refusal_of(paths_, device);
  return device;
}

std::vector<DeviceInfo> Inventory::list() const {
  std::vector<DeviceInfo> devices;
  for (const auto& name : list_folder(paths_.usb_devices())) {
    if (!is_bus_id(name)) continue;
    if (auto device = find(name)) devices.push_back(std::move(*device));
  }
  std::sort(devices.begin(), devices.end(), [](const auto& a, const auto& b) {
    // "1-10" after "1-9".
    return std::pair(a.busid.size(), a.busid) < std::pair(b.busid.size(), b.busid);
  });
  return devices;
}

bool matches(const Locator& locator, const DeviceInfo& device) {
  if (!locator.busid.empty()) return locator.busid == device.busid;
  return !device.imported && locator.idVendor == device.idVendor() &&
         locator.idProduct == device.idProduct() &&
         (!locator.serial_number || *locator.serial_number == device.model.serial_number);
}

Result<DeviceInfo> Inventory::select(const Locator& locator) const {
  if (!locator.busid.empty()) return find(locator.busid);
  auto devices = list();
  std::erase_if(devices, [&](const DeviceInfo& device) { return !matches(locator, device); });
  const auto words = format_locator(locator);
  if (devices.empty()) {
    return fail(Error::Kind::NotFound, "no device " + words, "nothing like it is plugged in",
                "periprox list shows what is");
  }
  if (devices.size() > 1) {
    return fail(Error::Kind::Usage, words + " is not one device",
                fmt::format("{} devices match: {}", devices.size(), join_bus_ids(devices)),
                "name one by its bus id, or add @SERIAL");
  }
  return std::move(devices.front());
}

Result<DeviceInfo> Inventory::select(std::string_view locator) const {
  auto parsed = parse_locator(locator);
  if (!parsed) return forward_error(parsed);
  return select(*parsed);
}

}  // namespace periprox::physical
