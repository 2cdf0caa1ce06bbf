// Control requests that change the device. A server cannot just forward them: its own operating
// system has to know of each. linux: drivers/usb/usbip/stub_rx.c, tweak_special_requests().
#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"

namespace periprox::check {
namespace {

using usb::SetupPacket;
using usb::TransferType;

std::byte configuration_of(Imported& device) {
  const auto reply = require_ok(
      device, control({.bmRequestType = 0x80, .bRequest = 8, .wLength = std::uint16_t{1}}),
      "GET_CONFIGURATION");
  require(reply.data.size() == 1, "GET_CONFIGURATION gives no byte");
  return reply.data[0];
}

void require_configuration(Imported& device, std::uint8_t value) {
  require_ok(device, control(SetupPacket::set_configuration(value)),
             "SET_CONFIGURATION(" + std::to_string(value) + ")");
  require(configuration_of(device) == std::byte{value},
          "after SET_CONFIGURATION(" + std::to_string(value) + ") another one is active");
}

void set_address(Probe& probe) {
  auto device = probe.import();
  require_ok(device, control({.bmRequestType = 0, .bRequest = 5, .wValue = std::uint16_t{99}}),
             "SET_ADDRESS");
  require_works(device, "after SET_ADDRESS");
}

std::uint8_t first_configuration(Probe& probe) {
  const auto& survey = probe.survey();
  if (survey.configurations.empty()) not_applicable("the device has no configuration");
  if (survey.record.bConfigurationValue != 0) return survey.record.bConfigurationValue;
  return survey.configurations.front().descriptor.bConfigurationValue;
}

void set_configuration_same(Probe& probe) {
  const auto value = first_configuration(probe);
  auto device = probe.import();
  require_configuration(device, value);
  require_configuration(device, value);
  require_works(device, "after SET_CONFIGURATION of the active one");
}

void set_configuration_other(Probe& probe) {
  if (probe.survey().configurations.size() < 2) not_applicable("the device has one configuration");
  auto device = probe.import();
  for (const auto& each : probe.survey().configurations) {
    require_configuration(device, each.descriptor.bConfigurationValue);
  }
  require_configuration(device, first_configuration(probe));
}

void set_configuration_unknown(Probe& probe) {
  auto device = probe.import();
  const auto reply = device.run(control(SetupPacket::set_configuration(0xee)));
  require(reply.status != 0, "SET_CONFIGURATION of one that does not exist succeeds");
  require_works(device, "after it");
}

void set_configuration_0(Probe& probe) {
  const auto value = first_configuration(probe);
  auto device = probe.import();
  require_configuration(device, 0);
  require_works(device, "while unconfigured");
  require_configuration(device, value);
  require_works(device, "when configured again");
}

void import_unconfigured(Probe& probe) {
  const auto value = first_configuration(probe);
  {
    auto device = probe.import();
    require_configuration(device, 0);
    device.connection().close();
  }
  auto device = probe.import();
  require_works(device, "after the import of a device that was left unconfigured");
  const bool none = device.record().bConfigurationValue == 0;
  require(!none || device.record().bNumInterfaces == 0, "configuration 0 with interfaces");
  require_configuration(device, value);
}

void set_interface(Probe& probe) {
  const auto configuration = first_configuration(probe);
  const usb::Configuration* active = nullptr;
  for (const auto& each : probe.survey().configurations) {
    if (each.descriptor.bConfigurationValue == configuration) active = &each;
  }
  auto device = probe.import();
  probe.go_to(device, {.configuration = configuration});
  require(active != nullptr, "the active configuration has no descriptor");
  bool any = false;
  for (const auto& interface : active->interfaces) {
    if (interface.alternate_settings.size() < 2) continue;
    any = true;
    for (const auto& setting : interface.alternate_settings) {
      const auto value = setting.descriptor.bAlternateSetting;
      require_ok(device, control(SetupPacket::set_interface(interface.number, value)),
                 "SET_INTERFACE");
      const auto reply = require_ok(device,
                                    control({.bmRequestType = 0x81,
                                             .bRequest = 10,
                                             .wIndex = std::uint16_t{interface.number},
                                             .wLength = std::uint16_t{1}}),
                                    "GET_INTERFACE");
      require(reply.data == std::vector{std::byte{value}},
              "after SET_INTERFACE another alternate setting is active");
    }
    require_ok(device, control(SetupPacket::set_interface(interface.number, 0)),
               "SET_INTERFACE(0)");
  }
  if (!any) not_applicable("the device has no alternate settings");
}

void clear_halt(Probe& probe) {
  auto device = probe.import();
  const auto& in = probe.source_in(device);
  const std::uint16_t address = in.address.value();
  require_ok(device, control({.bmRequestType = 2, .bRequest = 3, .wIndex = address}),
             "SET_FEATURE(ENDPOINT_HALT)");
  auto read = in.submit();
  read.length = static_cast<std::int32_t>(in.packet);
  const auto halted = device.run(read);
  require(halted.status == -32, "a halted endpoint answers with status " +
                                    status_text(halted.status) + ", not -32 (stalled)");
  require_ok(device, control(SetupPacket::clear_halt(in.address)), "CLEAR_FEATURE(ENDPOINT_HALT)");
  for (int i = 0; i < 3; ++i) {
    const auto reply = require_ok(device, read, "reading after CLEAR_FEATURE(ENDPOINT_HALT)");
    require(reply.actual_length() == read.length, "a packet is lost: is the data toggle reset?");
  }
}

void clear_halt_missing(Probe& probe) {
  auto device = probe.import();
  const auto reply =
      device.run(control(SetupPacket::clear_halt(usb::EndpointAddress(std::uint8_t{0x8f}))));
  require(reply.status != 0, "CLEAR_FEATURE on an endpoint that is not there succeeds");
  require_works(device, "after it");
}

void port_reset(Probe& probe) {
  auto device = probe.import();
  require_ok(device, control(SetupPacket::port_reset()), "SET_FEATURE(PORT_RESET)");
  require_works(device, "after the reset");
}

void port_reset_then_data(Probe& probe) {
  auto device = probe.import();
  auto in = probe.source_in(device);
  require_ok(device, control(SetupPacket::port_reset()), "SET_FEATURE(PORT_RESET)");
  probe.go_to(device, in);
  auto read = in.submit();
  read.length = static_cast<std::int32_t>(in.packet);
  require_ok(device, read, "reading after the reset");
}

}  // namespace

std::vector<Case> request_cases() {
  constexpr auto kSpecial = "chegewara/esp32-usbip-poc 1";
  constexpr auto kHalt =
      "linux: drivers/usb/usbip/stub_rx.c, tweak_clear_halt_cmd(); vadimgrn/usbip-win2 160";
  constexpr auto kReset =
      "linux: drivers/usb/usbip/stub_rx.c, tweak_reset_device_cmd(); vadimgrn/usbip-win2";
  return {
      {"request.set_configuration_same", "takes SET_CONFIGURATION of the active configuration",
       kSpecial, Touch::Changes, set_configuration_same},
      {"request.set_configuration_other", "takes SET_CONFIGURATION of each configuration", kSpecial,
       Touch::Changes, set_configuration_other},
      {"request.set_configuration_unknown", "refuses a configuration that does not exist",
       "USB 2.0, 9.4.7", Touch::Changes, set_configuration_unknown},
      {"request.set_configuration_0", "takes a device out of its configuration, and back",
       "usbip-browser", Touch::Changes, set_configuration_0},
      {"request.import_unconfigured", "lets a device be imported that was left unconfigured",
       "usbip-browser", Touch::Changes, import_unconfigured},
      {"request.set_interface", "takes SET_INTERFACE of each alternate setting",
       "linux: drivers/usb/usbip/stub_rx.c, tweak_set_interface_cmd()", Touch::Changes,
       set_interface},
      {"request.clear_halt", "clears a halt at the device and at the host", kHalt, Touch::Changes,
       clear_halt},
      {"request.clear_halt_missing", "answers CLEAR_FEATURE for an endpoint that is not there",
       kHalt, Touch::Changes, clear_halt_missing},
      {"request.port_reset", "resets the device for SET_FEATURE(PORT_RESET)", kReset,
       Touch::Changes, port_reset},
      {"request.port_reset_then_data", "moves data again after a reset", kReset, Touch::Changes,
       port_reset_then_data},
      {"request.set_address", "answers SET_ADDRESS itself: the device keeps its address", kSpecial,
       Touch::Changes, set_address},
  };
}

}  // namespace periprox::check
