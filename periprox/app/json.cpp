#include "periprox/app/json.hpp"

#include <nlohmann/json.hpp>

#include "periprox/app/port_words.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/usb/class_names.hpp"
#include "periprox/usb/hex_text.hpp"
#include "periprox/usb/status.hpp"

namespace periprox::app {
namespace {

using Json = nlohmann::ordered_json;

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

Json identity(std::uint16_t vendor, std::uint16_t product, std::uint16_t release) {
  return {{"idVendor", usb::hex_text(vendor, 4)},
          {"idProduct", usb::hex_text(product, 4)},
          {"bcdDevice", usb::bcd_text(release)}};
}

Json class_of(const usb::ClassCode& code) {
  return {{"class", code.code},
          {"subclass", code.subclass},
          {"protocol", code.protocol},
          {"name", std::string(usb::class_name(code.code))}};
}

Json node_of(const usb::DescriptionNode& node) {
  Json json{{"name", node.name}};
  if (!node.value.empty()) json["value"] = node.value;
  if (!node.note.empty()) json["note"] = node.note;
  if (!node.children.empty()) {
    auto children = Json::array();
    for (const auto& child : node.children) children.push_back(node_of(child));
    json["children"] = std::move(children);
  }
  return json;
}

Json names_of(const usb::DeviceModel& model) {
  Json json = identity(model.descriptor().idVendor, model.descriptor().idProduct,
                       model.descriptor().bcdDevice);
  json["speed"] = usb::speed_name(model.speed());
  json["manufacturer"] = model.manufacturer;
  json["product"] = model.product;
  json["serial"] = model.serial_number;
  return json;
}

Json listed_device(const session::ListedDevice& device) {
  const auto& record = device.record;
  Json json{{"busid", wire::usbip::name_in(record.busid).value_or("")},
            {"path", wire::usbip::name_in(record.path).value_or("")},
            {"busnum", std::uint32_t{record.busnum}},
            {"devnum", std::uint32_t{record.devnum}}};
  json.update(identity(record.idVendor, record.idProduct, record.bcdDevice));
  const auto speed = usb::speed_from_code(record.speed);
  json["speed"] = speed ? std::string(usb::speed_name(*speed)) : "unknown";
  json["class"] = class_of({record.bDeviceClass, record.bDeviceSubClass, record.bDeviceProtocol});
  json["configuration"] = record.bConfigurationValue;
  json["configurations"] = record.bNumConfigurations;
  auto interfaces = Json::array();
  for (const auto& interface : device.interfaces) interfaces.push_back(class_of(interface));
  json["interfaces"] = std::move(interfaces);
  return json;
}

std::string dense_hex(Bytes bytes) {
  std::string data;
  for (const char c : usb::hex_bytes(bytes)) {
    if (c != ' ') data += c;
  }
  return data;
}

std::string place_text(const recorded::TracedAddress& address) {
  return std::to_string(address.bus) + "." + std::to_string(address.device);
}

/// Which driver holds each interface (null: none), and why the device is not exported (null: it
/// is).
void add_local_facts(Json& json, const physical::DeviceInfo& device) {
  auto drivers = Json::array();
  for (const auto& interface : device.interfaces) {
    drivers.push_back({{"interface", interface.number},
                       {"driver", interface.driver.empty() ? Json() : Json(interface.driver)}});
  }
  json["drivers"] = std::move(drivers);
  json["refusal"] = device.refusal ? Json(*device.refusal) : Json();
}

}  // namespace

std::string error_json(const Error& error) {
  return line_of({{"error", {{"what", error.what}, {"why", error.why}, {"hint", error.hint}}}});
}

std::string ready_json(const std::vector<std::string>& listen,
                       const std::vector<service::ExportTable::Entry>& devices) {
  Json json{{"event", "ready"}, {"listen", Json::array()}, {"devices", Json::array()}};
  for (const auto& address : listen) json["listen"].push_back(address);
  for (const auto& device : devices) {
    Json one{{"busid", device.address.busid}, {"locator", device.name}};
    one.update(names_of(*device.model));
    json["devices"].push_back(std::move(one));
  }
  return line_of(json);
}

std::vector<WatchedDevice> parse_watched(std::string_view text) {
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return {};
  const auto string_at = [](const Json& place, const char* name) {
    const auto found = place.find(name);
    const bool is_there = found != place.end() && found->is_string();
    return is_there ? service::printable(found->get_ref<const std::string&>()) : std::string();
  };
  std::vector<std::string> listen;
  if (const auto found = json.find("listen"); found != json.end() && found->is_array()) {
    for (const auto& address : *found) {
      if (address.is_string()) listen.push_back(address.get<std::string>());
    }
  }
  std::vector<WatchedDevice> devices;
  const auto found = json.find("devices");
  if (found == json.end() || !found->is_array()) return {};
  for (const auto& each : *found) {
    if (!each.is_object()) continue;
    WatchedDevice device{
        .listen = listen, .busid = string_at(each, "busid"), .locator = string_at(each, "locator")};
    const auto digits = [&](const char* name) {
      const auto number = string_at(each, name);
      return number.starts_with("0x") ? number.substr(2) : number;
    };
    device.ids = digits("idVendor") + ":" + digits("idProduct");
    device.name = string_at(each, "manufacturer");
    const auto product = string_at(each, "product");
    if (!device.name.empty() && !product.empty()) device.name += ' ';
    device.name += product;
    if (!device.busid.empty()) devices.push_back(std::move(device));
  }
  return devices;
}

std::string watched_json(const WatchedDevice& device) {
  return line_of({{"busid", device.busid},
                  {"locator", device.locator},
                  {"ids", device.ids},
                  {"name", device.name},
                  {"process", device.socket.filename().string()},
                  {"listen", device.listen}});
}

std::string event_json(const service::Event& event) {
  Json json{{"event", service::event_name(event.kind)}, {"text", event.text}};
  if (!event.busid.empty()) json["busid"] = event.busid;
  if (!event.peer.empty()) json["peer"] = event.peer;
  return line_of(json);
}

std::string devices_json(const std::vector<session::ListedDevice>& devices,
                         std::span<const physical::DeviceInfo> plugged) {
  auto json = Json::array();
  for (std::size_t i = 0; i < devices.size(); ++i) {
    auto one = listed_device(devices[i]);
    if (i < plugged.size()) add_local_facts(one, plugged[i]);
    json.push_back(std::move(one));
  }
  return line_of({{"devices", std::move(json)}});
}

namespace {

Json port_of(const host::VirtualPort& port) {
  Json json{{"port", port.number},
            {"hub", port.is_super ? "ss" : "hs"},
            {"state", host::port_use_name(port.use)}};
  if (port.use == host::PortUse::Free) return json;
  if (port.speed) json["speed"] = usb::speed_name(*port.speed);
  json["busid"] = port.busid;
  json["idVendor"] = usb::hex_text(port.idVendor, 4);
  json["idProduct"] = usb::hex_text(port.idProduct, 4);
  json["name"] = port.name;
  json["drivers"] = port.drivers;
  json["locator"] = port.locator;
  json["devid"] = port.devid;
  json["process"] = port.process;
  if (port.since) json["since"] = std::chrono::system_clock::to_time_t(*port.since);
  return json;
}

}  // namespace

std::string ports_json(const std::vector<host::VirtualPort>& ports) {
  auto json = Json::array();
  for (const auto& port : ports) json.push_back(port_of(port));
  return line_of({{"ports", std::move(json)}});
}

std::string port_event_json(std::string_view event, const host::VirtualPort& port,
                            const std::optional<Error>& error) {
  Json json{{"event", event}};
  json.update(port_of(port));
  if (error) json["reason"] = error->what + (error->why.empty() ? "" : ": " + error->why);
  return line_of(json);
}

std::string catalog_json(std::span<const emulated::DeviceType> types) {
  auto json = Json::array();
  for (const auto& type : types) {
    Json one{{"name", type.name}, {"summary", type.summary}, {"settings", Json::array()}};
    for (const auto& setting : type.settings) {
      one["settings"].push_back(
          {{"name", setting.name}, {"default", setting.fallback}, {"help", setting.help}});
    }
    json.push_back(std::move(one));
  }
  return line_of({{"emulated", std::move(json)}});
}

std::string description_json(const usb::DeviceModel& model, const usb::DescriptionNode& root) {
  Json json = names_of(model);
  json["description"] = node_of(root);
  return line_of(json);
}

std::string outcome_json(usb::EndpointAddress endpoint, const host::Outcome& outcome) {
  return line_of({{"endpoint", usb::hex_text(endpoint.value())},
                  {"status", usb::status_name(outcome.status)},
                  {"length", outcome.actual_length},
                  {"data", dense_hex(outcome.data)}});
}

std::string traced_json(const recorded::TracedTransfer& transfer, double seconds,
                        const std::string& meaning) {
  Json json{{"number", transfer.number},
            {"seconds", seconds},
            {"device", place_text(transfer.address)},
            {"endpoint", usb::hex_text(transfer.endpoint.value())},
            {"type", usb::transfer_type_name(transfer.type)},
            {"status", usb::status_name(transfer.status)},
            {"length", transfer.length},
            {"actual_length", transfer.actual_length},
            {"latency_ns", transfer.latency()},
            {"text", meaning},
            {"data", dense_hex(transfer.data)}};
  if (transfer.setup) json["setup"] = dense_hex(bytes_of(*transfer.setup));
  if (transfer.is_synthesised) json["synthesised"] = true;
  if (!transfer.comments.empty()) json["comments"] = transfer.comments;
  return line_of(json);
}

std::string figures_json(const recorded::TracedAddress& address, std::uint8_t endpoint,
                         const EndpointFigures& figures) {
  return line_of({{"figures",
                   {{"device", place_text(address)},
                    {"endpoint", usb::hex_text(endpoint)},
                    {"type", usb::transfer_type_name(figures.type)},
                    {"transfers", figures.transfers},
                    {"errors", figures.errors},
                    {"bytes", figures.bytes},
                    {"bytes_per_second", figures.bytes_per_second()},
                    {"latency_median_ns", figures.latency.quantile(0.5)},
                    {"latency_99_ns", figures.latency.quantile(0.99)}}}});
}

std::string case_json(const check::Case& each, const check::Outcome* outcome) {
  Json json{{"case", each.name}};
  if (outcome != nullptr) {
    json["verdict"] = check::verdict_name(outcome->verdict);
    json["reason"] = outcome->reason;
  }
  json["what"] = each.what;
  json["reference"] = each.reference;
  json["needs_yes"] = each.touch == check::Touch::Changes;
  return line_of(json);
}

std::string counts_json(const check::Counts& counts) {
  return line_of({{"passed", counts.passed},
                  {"failed", counts.failed},
                  {"not_applicable", counts.not_applicable}});
}

}  // namespace periprox::app
