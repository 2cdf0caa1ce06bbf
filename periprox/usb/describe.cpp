// Device, configuration, interface and endpoint descriptors in words.
#include "periprox/usb/describe.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "periprox/usb/class_names.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

std::string joined(const std::string& first, std::string_view separator, std::string_view second) {
  if (first.empty() || second.empty()) return first + std::string(second);
  return first + std::string(separator) + std::string(second);
}

// --- Fields that several descriptors share -----------------------------------------------------

void add_number(DescriptionNode& node, std::string name, std::uint32_t value,
                std::string note = {}) {
  node.add(std::move(name), std::to_string(value), std::move(note));
}

/// A field that holds the index of a string.
void add_string_index(DescriptionNode& node, std::string name, std::uint8_t index,
                      const StringTable& strings) {
  const auto found = strings.find(index);
  const bool known = index != 0 && found != strings.end();
  add_number(node, std::move(name), index, known ? quoted(found->second) : "");
}

/// The three fields of a class code; `prefix` is what the standard puts before "Class".
void add_class(DescriptionNode& node, const std::string& prefix, ClassCode code) {
  node.add(prefix + "Class", hex_text(code.code), std::string(class_name(code.code)));
  node.add(prefix + "SubClass", hex_text(code.subclass));
  node.add(prefix + "Protocol", hex_text(code.protocol), std::string(protocol_name(code)));
}

std::string class_text(ClassCode code) {
  const auto name = std::string(class_name(code.code));
  if (name.empty()) return "class " + hex_text(code.code);
  return joined(name, ", ", protocol_name(code));
}

// --- Endpoints ---------------------------------------------------------------------------------

std::string endpoint_text(const Endpoint& endpoint) {
  const auto address = endpoint.address();
  return std::string(transfer_type_name(endpoint.type())) + " " + (address.is_in() ? "IN" : "OUT");
}

/// bmAttributes bits 2-5 mean something for periodic endpoints only (USB 2.0, 9.6.6;
/// USB 3.2, 9.6.6).
std::string attributes_text(const Endpoint& endpoint, Speed speed) {
  constexpr std::array<std::string_view, 4> kSynchronization{"no synchronization", "asynchronous",
                                                             "adaptive", "synchronous"};
  constexpr std::array<std::string_view, 4> kUsage{"data", "feedback", "implicit feedback data",
                                                   "reserved usage"};
  std::string text(transfer_type_name(endpoint.type()));
  const auto attributes = endpoint.descriptor.bmAttributes;
  const auto usage = (attributes >> 4) & 3U;
  if (endpoint.type() == TransferType::Isochronous) {
    text = joined(text, ", ", kSynchronization[(attributes >> 2) & 3U]);
    text = joined(text, ", ", kUsage[usage]);
  } else if (endpoint.type() == TransferType::Interrupt && is_super(speed)) {
    text += usage == 0 ? ", periodic" : usage == 1 ? ", notification" : ", reserved usage";
  }
  return text;
}

std::string packet_size_text(const Endpoint& endpoint, Speed speed) {
  const auto size = endpoint.max_packet_size();
  const auto bytes = std::to_string(size) + " bytes";
  const auto total = endpoint.bytes_per_interval(speed);
  // Below SuperSpeed only high-bandwidth endpoints move more than one packet at a time.
  if (is_super(speed) || size == 0 || total == size) return bytes;
  return std::to_string(total / size) + " x " + bytes;
}

/// The period of a periodic endpoint, exactly.
std::string interval_text(const Endpoint& endpoint, Speed speed) {
  const auto count = endpoint.interval(speed);
  if (count == 0) return {};
  if (!uses_microframes(speed)) return std::to_string(count) + " ms";
  const auto microseconds = count * 125;
  if (microseconds % 1000 == 0) return std::to_string(microseconds / 1000) + " ms";
  return std::to_string(microseconds) + " us";
}

void add_companion(DescriptionNode& node, const Endpoint& endpoint) {
  const auto& companion = *endpoint.companion;
  auto& child = node.add("SuperSpeed Endpoint Companion");
  add_number(
      child, "bMaxBurst", companion.bMaxBurst,
      companion.bMaxBurst == 0 ? "1 packet" : std::to_string(companion.bMaxBurst + 1) + " packets");
  std::string attributes;
  if (endpoint.type() == TransferType::Isochronous) {
    attributes = (companion.bmAttributes & 0x80) != 0
                     ? "SuperSpeedPlus companion follows"
                     : "Mult " + std::to_string(companion.bmAttributes & 3);
  } else if (endpoint.type() == TransferType::Bulk && (companion.bmAttributes & 0x1f) != 0) {
    // MaxStreams goes up to 16; larger exponents are reserved.
    const auto exponent = companion.bmAttributes & 0x1f;
    attributes = exponent <= 16 ? std::to_string(1U << exponent) + " streams" : "reserved";
  }
  child.add("bmAttributes", hex_text(companion.bmAttributes), attributes);
  add_number(child, "wBytesPerInterval", companion.wBytesPerInterval);
}

void add_endpoint(DescriptionNode& node, const Endpoint& endpoint, Speed speed, ClassCode context) {
  const auto& descriptor = endpoint.descriptor;
  auto& child =
      node.add("Endpoint", hex_text(descriptor.bEndpointAddress), endpoint_text(endpoint));
  child.add(
      "bEndpointAddress", hex_text(descriptor.bEndpointAddress),
      std::to_string(endpoint.address().number()) + (endpoint.address().is_in() ? " IN" : " OUT"));
  child.add("bmAttributes", hex_text(descriptor.bmAttributes), attributes_text(endpoint, speed));
  child.add("wMaxPacketSize", hex_text(descriptor.wMaxPacketSize, 4),
            packet_size_text(endpoint, speed));
  add_number(child, "bInterval", descriptor.bInterval, interval_text(endpoint, speed));
  if (descriptor.bLength == sizeof(EndpointDescriptor) + 2) {
    add_number(child, "bRefresh", endpoint.bRefresh);
    child.add("bSynchAddress", hex_text(endpoint.bSynchAddress));
  }
  if (endpoint.companion) add_companion(child, endpoint);
  for (const auto& raw : endpoint.extra) child.children.push_back(describe_raw(raw, context));
}

// --- Interfaces --------------------------------------------------------------------------------

void add_setting(DescriptionNode& node, const AlternateSetting& setting, Speed speed,
                 const StringTable& strings, bool is_active) {
  const auto& descriptor = setting.descriptor;
  const auto code = descriptor.class_code();
  auto& child = node.add("Interface",
                         std::to_string(descriptor.bInterfaceNumber) + " alternate setting " +
                             std::to_string(descriptor.bAlternateSetting),
                         joined(class_text(code), ", ", is_active ? "active" : ""));
  add_number(child, "bInterfaceNumber", descriptor.bInterfaceNumber);
  add_number(child, "bAlternateSetting", descriptor.bAlternateSetting);
  add_number(child, "bNumEndpoints", descriptor.bNumEndpoints);
  add_class(child, "bInterface", code);
  add_string_index(child, "iInterface", descriptor.iInterface, strings);
  for (const auto& raw : setting.extra) child.children.push_back(describe_raw(raw, code));
  for (const auto& endpoint : setting.endpoints) add_endpoint(child, endpoint, speed, code);
}

void add_association(DescriptionNode& node, const InterfaceAssociationDescriptor& descriptor,
                     const StringTable& strings) {
  const ClassCode code{descriptor.bFunctionClass, descriptor.bFunctionSubClass,
                       descriptor.bFunctionProtocol};
  const unsigned last =
      descriptor.bFirstInterface + std::max<unsigned>(descriptor.bInterfaceCount, 1) - 1;
  auto& child = node.add("Interface Association",
                         std::to_string(descriptor.bFirstInterface) + "-" + std::to_string(last),
                         class_text(code));
  add_number(child, "bFirstInterface", descriptor.bFirstInterface);
  add_number(child, "bInterfaceCount", descriptor.bInterfaceCount);
  add_class(child, "bFunction", code);
  add_string_index(child, "iFunction", descriptor.iFunction, strings);
}

// --- Configuration -----------------------------------------------------------------------------

std::string power_attributes_text(std::uint8_t attributes) {
  std::string text = (attributes & 0x40) != 0 ? "self-powered" : "bus-powered";
  if ((attributes & 0x20) != 0) text += ", remote wakeup";
  return text;
}

/// Null when nothing is active: a configuration that is looked at on its own.
DescriptionNode configuration_node(const Configuration& configuration, Speed speed,
                                   const StringTable& strings, const DeviceModel* active) {
  const auto& descriptor = configuration.descriptor;
  DescriptionNode node{"Configuration",
                       std::to_string(descriptor.bConfigurationValue),
                       active != nullptr ? "active" : "",
                       {}};
  add_number(node, "wTotalLength", descriptor.wTotalLength);
  add_number(node, "bNumInterfaces", descriptor.bNumInterfaces);
  add_number(node, "bConfigurationValue", descriptor.bConfigurationValue);
  add_string_index(node, "iConfiguration", descriptor.iConfiguration, strings);
  node.add("bmAttributes", hex_text(descriptor.bmAttributes),
           power_attributes_text(descriptor.bmAttributes));
  add_number(node, "bMaxPower", descriptor.bMaxPower,
             std::to_string(descriptor.bMaxPower * (is_super(speed) ? 8 : 2)) + " mA");
  for (const auto& raw : configuration.extra) node.children.push_back(describe_raw(raw));
  for (const auto& association : configuration.associations) {
    add_association(node, association, strings);
  }
  for (const auto& interface : configuration.interfaces) {
    for (const auto& setting : interface.alternate_settings) {
      const bool is_active =
          active != nullptr && interface.alternate_settings.size() > 1 &&
          active->alternate_setting(interface.number) == setting.descriptor.bAlternateSetting;
      add_setting(node, setting, speed, strings, is_active);
    }
  }
  for (const auto& finding : check_configuration(configuration, speed))
    node.add("finding", finding.text);
  return node;
}

// --- Device ------------------------------------------------------------------------------------

/// The strings that were read, with the three names that the model knows by itself.
StringTable all_strings(const DeviceModel& model, StringTable strings) {
  const auto add = [&](std::uint8_t index, const std::string& text) {
    if (index != 0 && !text.empty()) strings.emplace(index, text);
  };
  add(model.descriptor().iManufacturer, model.manufacturer);
  add(model.descriptor().iProduct, model.product);
  add(model.descriptor().iSerialNumber, model.serial_number);
  return strings;
}

std::string control_packet_text(const DeviceModel& model) {
  return std::to_string(model.endpoint(EndpointAddress(0))->max_packet_size) + " bytes";
}

void add_device_fields(DescriptionNode& node, const DeviceModel& model,
                       const StringTable& strings) {
  const auto& descriptor = model.descriptor();
  node.add("speed", std::string(speed_name(model.speed())),
           std::string(speed_mbps(model.speed())) + " Mbit/s");
  node.add("bcdUSB", bcd_text(descriptor.bcdUSB));
  add_class(node, "bDevice", descriptor.class_code());
  add_number(node, "bMaxPacketSize0", descriptor.bMaxPacketSize0, control_packet_text(model));
  node.add("idVendor", hex_text(descriptor.idVendor, 4));
  node.add("idProduct", hex_text(descriptor.idProduct, 4));
  node.add("bcdDevice", bcd_text(descriptor.bcdDevice));
  add_string_index(node, "iManufacturer", descriptor.iManufacturer, strings);
  add_string_index(node, "iProduct", descriptor.iProduct, strings);
  add_string_index(node, "iSerialNumber", descriptor.iSerialNumber, strings);
  add_number(node, "bNumConfigurations", descriptor.bNumConfigurations);
}

}  // namespace

DescriptionNode describe_configuration(const Configuration& configuration, Speed speed,
                                       const StringTable& strings) {
  return configuration_node(configuration, speed, strings, nullptr);
}

DescriptionNode describe(const DeviceModel& model, const StringTable& strings) {
  const auto names = all_strings(model, strings);
  const auto& descriptor = model.descriptor();
  DescriptionNode node{"Device",
                       hex_text(descriptor.idVendor, 4) + "." + hex_text(descriptor.idProduct, 4),
                       joined(model.manufacturer, " ", model.product),
                       {}};
  add_device_fields(node, model, names);
  if (!model.bos.empty()) node.children.push_back(describe_bos(model.bos));
  for (const auto& configuration : model.configurations()) {
    const bool is_active = &configuration == model.active_configuration();
    node.children.push_back(
        configuration_node(configuration, model.speed(), names, is_active ? &model : nullptr));
  }
  return node;
}

}  // namespace periprox::usb
