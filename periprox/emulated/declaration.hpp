// A device as one declaration, shaped like its descriptor tree: device, configurations, interfaces,
// alternate settings, endpoints; behaviour hangs on the endpoints and on the control requests.
//
//   Declaration thermometer{
//       .idVendor = 0x1209, .idProduct = 0x0001, .product = "Thermometer",
//       .configurations = {{.interfaces = {{.settings = {{
//           .class_code = {0xff, 0, 0},
//           .endpoints = {interrupt_in(1, {.max_packet_size = 2, .interval = 100ms},
//                                      [](InTransfer transfer) { transfer.send(measure()); })},
//       }}}}}}};
//
// Nothing here depends on a speed: sizes, intervals, companions, qualifier and BOS are derived when
// the device is created (descriptor_set.hpp). State that handlers share is a shared_ptr they
// capture.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/emulated/transfer.hpp"
#include "periprox/usb/configuration.hpp"
#include "periprox/usb/descriptors.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox::emulated {

using InHandler = std::function<void(InTransfer)>;
using OutHandler = std::function<void(OutTransfer)>;
using ControlHandler = std::function<void(ControlTransfer)>;
/// Fills `room` with the packet of (micro)frame `frame`; returns how many bytes it wrote.
using IsoInHandler = std::function<std::uint32_t(std::uint64_t frame, MutableBytes room)>;
/// Takes the packet of (micro)frame `frame`.
using IsoOutHandler = std::function<void(std::uint64_t frame, Bytes data)>;

/// A class or vendor request that the device understands, and what it does then.
struct Request {
  usb::RequestType type = usb::RequestType::Vendor;
  usb::Direction direction = usb::Direction::Out;
  std::uint8_t bRequest = 0;
  ControlHandler handler = {};
};

[[nodiscard]] Request class_in(std::uint8_t bRequest, ControlHandler handler);
[[nodiscard]] Request class_out(std::uint8_t bRequest, ControlHandler handler);
[[nodiscard]] Request vendor_in(std::uint8_t bRequest, ControlHandler handler);
[[nodiscard]] Request vendor_out(std::uint8_t bRequest, ControlHandler handler);

/// The two bytes that USB Audio 1.0 appends to the descriptors of its endpoints (4.6.1.1).
struct AudioEndpoint {
  std::uint8_t bRefresh = 0;
  std::uint8_t bSynchAddress = 0;
};

/// An endpoint and its behaviour. Without a handler an IN endpoint never has data and an OUT
/// endpoint takes everything. Built with bulk_in() and its siblings.
struct Endpoint {
  usb::EndpointAddress address = {};
  usb::TransferType type = usb::TransferType::Bulk;
  /// Bytes in a packet; 0 = as many as the speed allows. A periodic endpoint gets at most those, a
  /// bulk endpoint must say what the speed allows or nothing.
  std::uint16_t max_packet_size = 0;
  /// Period of a periodic endpoint; rounded down to what the speed can express.
  Duration interval = {};
  /// Packets in one interval at high speed (1 to 3), burst size at SuperSpeed (1 to 16).
  std::uint8_t packets = 1;
  /// Synchronisation and usage type of an isochronous endpoint: bmAttributes bits 2-5.
  std::uint8_t sync_and_usage = 0;
  std::optional<AudioEndpoint> audio = {};
  /// Class-specific descriptors that follow the endpoint's.
  std::vector<usb::RawDescriptor> descriptors = {};
  /// Requests whose recipient is this endpoint.
  std::vector<Request> requests = {};
  std::variant<std::monostate, InHandler, OutHandler, IsoInHandler, IsoOutHandler> handler = {};
};

/// What a periodic endpoint needs to say about itself.
struct Periodic {
  std::uint16_t max_packet_size = 0;
  Duration interval = std::chrono::milliseconds(1);
  std::uint8_t packets = 1;
  std::uint8_t sync_and_usage = 0;
};

[[nodiscard]] Endpoint bulk_in(std::uint8_t number, InHandler handler);
[[nodiscard]] Endpoint bulk_out(std::uint8_t number, OutHandler handler);
[[nodiscard]] Endpoint interrupt_in(std::uint8_t number, Periodic periodic, InHandler handler);
[[nodiscard]] Endpoint interrupt_out(std::uint8_t number, Periodic periodic, OutHandler handler);
[[nodiscard]] Endpoint iso_in(std::uint8_t number, Periodic periodic, IsoInHandler handler);
[[nodiscard]] Endpoint iso_out(std::uint8_t number, Periodic periodic, IsoOutHandler handler);

/// A string that a class-specific descriptor names: its index is put at a byte of the descriptor.
struct DescriptorString {
  std::size_t descriptor = 0;  ///< Place in the list of descriptors.
  std::size_t offset = 0;
  std::string text = {};
};

/// bAlternateSetting is the place in its interface.
struct AlternateSetting {
  usb::ClassCode class_code = {};
  std::string name = {};  ///< iInterface
  /// Class-specific descriptors between the interface's and its first endpoint's.
  std::vector<usb::RawDescriptor> descriptors = {};
  std::vector<DescriptorString> descriptor_strings = {};
  std::vector<Endpoint> endpoints = {};
};

/// A descriptor that GET_DESCRIPTOR to the interface answers, e.g. an HID report descriptor.
struct ServedDescriptor {
  std::uint8_t type = 0;
  std::uint8_t index = 0;
  std::vector<std::byte> bytes = {};
};

/// bInterfaceNumber is the place in its configuration.
struct Interface {
  std::vector<AlternateSetting> settings = {};
  std::vector<ServedDescriptor> served = {};
  /// Requests whose recipient is this interface.
  std::vector<Request> requests = {};
  /// Called after SET_INTERFACE with the new setting.
  std::function<void(std::uint8_t)> on_alternate = {};
};

/// Interfaces that are one function together (USB ECN Interface Association Descriptors).
struct Association {
  std::uint8_t first_interface = 0;
  std::uint8_t interface_count = 0;
  usb::ClassCode class_code = {};
  std::string name = {};  ///< iFunction
};

struct Configuration {
  std::uint8_t value = 0;  ///< bConfigurationValue; 0 = its place, counted from 1.
  std::string name = {};   ///< iConfiguration
  std::uint16_t max_power_ma = 100;
  bool self_powered = false;
  bool remote_wakeup = false;
  std::vector<Association> associations = {};
  std::vector<Interface> interfaces = {};
};

/// The strings of a device in another language than English, by their English text; what is not
/// among them stays English. At most kMaxLanguages - 1 of these.
struct Translation {
  std::uint16_t language = 0;  ///< LANGID, e.g. 0x0407 for German.
  std::map<std::string, std::string> texts = {};
};

struct Declaration {
  std::uint16_t idVendor = 0;
  std::uint16_t idProduct = 0;
  std::uint16_t bcdDevice = 0x0100;
  usb::ClassCode class_code = {};
  std::uint16_t bcdUSB = 0;  ///< 0 = 2.00, with BOS capabilities 2.10; SuperSpeed 3.00 or 3.10.
  std::uint8_t max_packet_size0 = 0;  ///< Full speed only: 8, 16, 32 or 64; 0 = 64.
  std::string manufacturer = {};
  std::string product = {};
  std::string serial_number = {};  ///< Empty = none.
  std::vector<Translation> translations = {};
  /// The speeds it can run at.
  std::vector<usb::Speed> speeds = {usb::Speed::Full, usb::Speed::High, usb::Speed::Super,
                                    usb::Speed::SuperPlus};
  /// The first is active when the device is created.
  std::vector<Configuration> configurations = {};
  /// Requests whose recipient is the device, and those that no interface or endpoint understands.
  std::vector<Request> requests = {};
  /// Device capability descriptors beyond those that SuperSpeed demands.
  std::vector<usb::RawDescriptor> bos_capabilities = {};
  /// Called after a port reset.
  std::function<void()> on_reset = {};
  /// Called after SET_CONFIGURATION with the new value.
  std::function<void(std::uint8_t)> on_configuration = {};
};

/// The bytes of a typed descriptor, for the lists of raw ones.
template <typename T>
[[nodiscard]] usb::RawDescriptor raw_descriptor(const T& descriptor) {
  const auto bytes = bytes_of(descriptor);
  return {bytes.begin(), bytes.end()};
}

/// Bytes written as numbers: raw_bytes({0x05, 0x01, ...}).
[[nodiscard]] std::vector<std::byte> raw_bytes(std::initializer_list<int> values);

}  // namespace periprox::emulated
