// Control requests that only read: lengths, stalls, contradictions between header and setup packet.
// USB 2.0, 9.4; linux: drivers/usb/core/urb.c, usb_submit_urb().
#include <algorithm>

#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"
#include "periprox/usb/descriptors.hpp"

namespace periprox::check {
namespace {

using usb::DescriptorType;

void short_answer(Probe& probe) {
  auto device = probe.import();
  const auto reply =
      require_ok(device, get_descriptor(DescriptorType::Device, 0, 64), "GET_DESCRIPTOR of 64");
  require(reply.actual_length() == 18,
          "actual_length is " + std::to_string(reply.actual_length()) + ", not 18");
}

void cut_answer(Probe& probe) {
  auto device = probe.import();
  const auto reply =
      require_ok(device, get_descriptor(DescriptorType::Device, 0, 8), "GET_DESCRIPTOR of 8");
  require(reply.actual_length() == 8,
          "actual_length is " + std::to_string(reply.actual_length()) + ", not 8");
  require_works(device, "after it");
}

void length_0(Probe& probe) {
  auto device = probe.import();
  // Without a data stage the direction is OUT, whatever bmRequestType says (usb_submit_urb()).
  const auto reply = device.run(get_descriptor(DescriptorType::Device, 0, 0));
  require(reply.actual_length() == 0, "actual_length is not 0");
  require_works(device, "after it");
}

void long_read(Probe& probe, std::uint16_t length) {
  auto device = probe.import();
  const auto reply = require_ok(device, get_descriptor(DescriptorType::Configuration, 0, length),
                                "GET_DESCRIPTOR(configuration)");
  const auto head = read_as<usb::ConfigurationDescriptor>(reply.data);
  require(head.has_value(), "the descriptor is cut");
  const std::uint16_t total = head->wTotalLength;
  require(
      reply.data.size() == std::min(total, length),
      std::to_string(reply.data.size()) + " bytes came, wTotalLength is " + std::to_string(total));
  require_works(device, "after it");
}

void stall(Probe& probe) {
  auto device = probe.import();
  // A descriptor type that no standard gives.
  const auto stalled = device.run(get_descriptor(static_cast<DescriptorType>(0x3e), 0, 64));
  require(stalled.status == -32, "an unknown descriptor ends with status " +
                                     status_text(stalled.status) + ", not -32 (stalled)");
  require(stalled.data.empty(), "a stall brings data");
  require_works(device, "after a stall");
  for (int i = 0; i < 10; ++i) {
    (void)device.run(get_descriptor(static_cast<DescriptorType>(0x3e), 0, 64));
  }
  require_works(device, "after ten stalls");
}

void get_status(Probe& probe) {
  auto device = probe.import();
  const auto reply = require_ok(
      device, control({.bmRequestType = 0x80, .wLength = std::uint16_t{2}}), "GET_STATUS");
  require(reply.data.size() == 2, "GET_STATUS does not give 2 bytes");
}

void get_configuration(Probe& probe) {
  auto device = probe.import();
  const auto reply = require_ok(
      device, control({.bmRequestType = 0x80, .bRequest = 8, .wLength = std::uint16_t{1}}),
      "GET_CONFIGURATION");
  require(reply.data == std::vector{std::byte{device.record().bConfigurationValue}},
          "GET_CONFIGURATION says otherwise than bConfigurationValue of the import reply");
}

void wrong_length(Probe& probe) {
  auto device = probe.import();
  auto submit = get_device_descriptor();
  submit.setup.wLength = std::uint16_t{64};
  const auto reply = device.run(submit);
  require(reply.status != 0, "wLength 64 with a buffer of 18 bytes succeeds");
  require_works(device, "after it");
}

void wrong_direction(Probe& probe) {
  auto device = probe.import();
  auto submit = get_device_descriptor();
  submit.in = false;
  submit.data.resize(18);
  const auto reply = device.run(submit);
  require(reply.status != 0, "an IN request in an OUT transfer succeeds");
  require_works(device, "after it: was the data taken for a header?");
  const auto set =
      usb::SetupPacket{.bmRequestType = 0, .bRequest = 7, .wLength = std::uint16_t{18}};
  const auto other = device.run({.in = true, .length = 18, .setup = set});
  require(other.status != 0, "an OUT request in an IN transfer succeeds");
  require_works(device, "after the other way round");
}

}  // namespace

std::vector<Case> control_cases() {
  constexpr auto kCore = "linux: drivers/usb/core/urb.c, usb_submit_urb()";
  constexpr auto kLengths = "USB 2.0, 9.3.5";
  return {
      {"control.short", "answers a request for 64 bytes with the 18 there are", kLengths,
       Touch::Reads, short_answer},
      {"control.cut", "answers a request for 8 bytes with 8", kLengths, Touch::Reads, cut_answer},
      {"control.length_0", "answers a request without a data stage", kCore, Touch::Reads, length_0},
      {"control.length_4096", "answers a request for 4096 bytes", kLengths, Touch::Reads,
       [](Probe& probe) { long_read(probe, 4096); }},
      {"control.length_65535", "answers a request for 65535 bytes",
       "linux: drivers/usb/core/devio.c, proc_do_submiturb()", Touch::Reads,
       [](Probe& probe) { long_read(probe, 65535); }},
      {"control.stall", "answers a stall with -32, and then the next request",
       "USB 2.0, 8.5.3.4; libusb 1256", Touch::Reads, stall},
      {"control.get_status", "answers GET_STATUS", "USB 2.0, 9.4.5", Touch::Reads, get_status},
      {"control.get_configuration", "knows which configuration is active", "USB 2.0, 9.4.2",
       Touch::Reads, get_configuration},
      {"control.wrong_length", "answers a wLength that contradicts transfer_buffer_length", kCore,
       Touch::Reads, wrong_length},
      {"control.wrong_direction", "answers a bmRequestType that contradicts the direction", kCore,
       Touch::Changes, wrong_direction},
  };
}

}  // namespace periprox::check
