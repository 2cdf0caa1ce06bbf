#include "periprox/wire/usbip.hpp"

#include <cstring>

#include "periprox/usb/status.hpp"

namespace periprox::wire::usbip {

std::string op_status_text(std::uint32_t status) {
  switch (static_cast<OpStatus>(status)) {
    case OpStatus::Ok:
      return "ok";
    case OpStatus::NotAvailable:
      return "the device is not available";
    case OpStatus::DeviceBusy:
      return "the device is in use by another client";
    case OpStatus::DeviceError:
      return "the device is in an error state";
    case OpStatus::NoSuchDevice:
      return "there is no such device";
    case OpStatus::UnexpectedResponse:
      return "the server met an unexpected response";
  }
  return "the server answered with status " + std::to_string(status);
}

DeviceRecord encode_device(const DeviceAddress& address, const usb::DeviceModel& model) {
  const auto& descriptor = model.descriptor();
  const auto* configuration = model.active_configuration();
  return {
      .path = make_name<256>(address.path),
      .busid = make_name<kBusIdSize>(address.busid),
      .busnum = std::uint32_t{address.busnum},
      .devnum = std::uint32_t{address.devnum},
      .speed = static_cast<std::uint32_t>(model.speed()),
      .idVendor = std::uint16_t{descriptor.idVendor},
      .idProduct = std::uint16_t{descriptor.idProduct},
      .bcdDevice = std::uint16_t{descriptor.bcdDevice},
      .bDeviceClass = descriptor.bDeviceClass,
      .bDeviceSubClass = descriptor.bDeviceSubClass,
      .bDeviceProtocol = descriptor.bDeviceProtocol,
      .bConfigurationValue = model.configuration_value(),
      .bNumConfigurations = descriptor.bNumConfigurations,
      // What follows in DEVLIST is counted from the interfaces there are, not from what a device
      // claims.
      .bNumInterfaces =
          static_cast<std::uint8_t>(configuration ? configuration->interfaces.size() : 0),
  };
}

std::uint32_t encode_flags(const usb::TransferFlags& flags) {
  return (flags.short_not_ok ? kFlagShortNotOk : 0) | (flags.iso_asap ? kFlagIsoAsap : 0) |
         (flags.zero_packet ? kFlagZeroPacket : 0);
}

usb::TransferFlags decode_flags(std::uint32_t flags) {
  return {.short_not_ok = (flags & kFlagShortNotOk) != 0,
          .iso_asap = (flags & kFlagIsoAsap) != 0,
          .zero_packet = (flags & kFlagZeroPacket) != 0};
}

IsoDescriptor encode_iso(const usb::IsoPacket& packet) {
  return {packet.offset, packet.length, packet.actual_length, encode_status(packet.status)};
}

usb::IsoPacket decode_iso(const IsoDescriptor& descriptor) {
  return {descriptor.offset, descriptor.length, descriptor.actual_length,
          decode_status(descriptor.status)};
}

std::int32_t encode_status(usb::Status status) { return -usb::to_errno(status); }

usb::Status decode_status(std::int32_t status) {
  if (status > 0) return usb::Status::ProtocolError;
  const auto outcome = usb::status_from_errno(status);
  // A reply cannot say that there is no outcome yet: a host would wait for it forever.
  return outcome == usb::Status::InProgress ? usb::Status::ProtocolError : outcome;
}

std::optional<Command> decode_command(std::uint32_t command) {
  if (command < 1 || command > 4) return std::nullopt;
  return static_cast<Command>(command);
}

std::size_t pack_iso(MutableBytes data, std::span<const usb::IsoPacket> packets) {
  std::size_t packed = 0;
  for (const auto& packet : packets) {
    if (packet.offset != packed && packet.actual_length != 0) {
      std::memmove(&data[packed], &data[packet.offset], packet.actual_length);
    }
    packed += packet.actual_length;
  }
  return packed;
}

void unpack_iso(MutableBytes data, std::span<const usb::IsoPacket> packets) {
  std::size_t packed = 0;
  for (const auto& packet : packets) packed += packet.actual_length;
  for (std::size_t i = packets.size(); i-- > 0;) {
    const auto& packet = packets[i];
    packed -= packet.actual_length;
    if (packet.offset != packed && packet.actual_length != 0) {
      std::memmove(&data[packet.offset], &data[packed], packet.actual_length);
    }
  }
}

std::optional<std::string> check_iso_layout(std::span<const usb::IsoPacket> packets,
                                            std::uint32_t length) {
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const auto& packet = packets[i];
    if (packet.offset < end) {
      return "packet " + std::to_string(i) + " at offset " + std::to_string(packet.offset) +
             " overlaps the one before it";
    }
    end = std::uint64_t{packet.offset} + packet.length;
    if (end > length) {
      return "packet " + std::to_string(i) + " ends at " + std::to_string(end) +
             ", past the buffer of " + std::to_string(length) + " bytes";
    }
  }
  return std::nullopt;
}

}  // namespace periprox::wire::usbip
