#include "periprox/session/urb_checks.hpp"

#include <string>

namespace periprox::session {

using usb::Status;
using usb::TransferType;

std::optional<Status> judge_control(const usb::SetupPacket& setup, bool is_in,
                                    std::uint32_t length) {
  if (setup.wLength != length) return Status::BadLength;
  if (length != 0 && setup.is_in() != is_in) return Status::InvalidArgument;
  return std::nullopt;
}

std::optional<Status> judge_submission(const usb::UrbData& urb, const usb::DeviceModel& model) {
  if (urb.type == TransferType::Control && urb.setup.is_set_address()) return Status::Ok;
  const bool usable = urb.endpoint.number() == 0 || model.endpoint(urb.endpoint) != nullptr;
  if (!usable) return Status::Killed;
  if (urb.type == TransferType::Isochronous &&
      (urb.iso_packets.size() > wire::usbip::kMaxIsoPackets ||
       wire::usbip::check_iso_layout(urb.iso_packets, urb.length))) {
    return Status::InvalidArgument;
  }
  const bool lacks_data = !urb.is_in() && urb.payload.capacity() < urb.length;
  if (lacks_data) return Status::InvalidArgument;
  return std::nullopt;
}

void note_setting(usb::DeviceModel& model, const usb::SetupPacket& setup) {
  if (setup.is_set_configuration()) {
    model.set_configuration(static_cast<std::uint8_t>(setup.wValue));
  } else if (setup.is_set_interface()) {
    model.set_interface(static_cast<std::uint8_t>(setup.wIndex),
                        static_cast<std::uint8_t>(setup.wValue));
  } else if (setup.is_port_reset()) {
    model.reset_alternate_settings();
  }
}

bool take_iso_results(usb::UrbData& urb, std::span<const usb::IsoPacket> results,
                      std::uint32_t actual_length) {
  std::uint64_t sum = 0;
  bool sound = results.size() == urb.iso_packets.size();
  urb.error_count = 0;
  for (std::size_t i = 0; sound && i < results.size(); ++i) {
    auto& packet = urb.iso_packets[i];
    packet.status = results[i].status;
    packet.actual_length = results[i].actual_length;
    if (packet.status != Status::Ok) ++urb.error_count;
    if (packet.actual_length > packet.length) sound = false;
    sum += packet.actual_length;
  }
  if (sound && sum == actual_length) return true;
  for (auto& packet : urb.iso_packets) {
    packet.actual_length = 0;
    packet.status = Status::ProtocolError;
  }
  urb.error_count = static_cast<std::uint32_t>(urb.iso_packets.size());
  return false;
}

Result<wire::usbip::DeviceAddress> decode_import(const wire::usbip::DeviceRecord& record,
                                                 std::string_view busid) {
  const auto malformed = [](std::string why) {
    return fail(Error::Kind::Malformed, "the reply to the import makes no sense", std::move(why));
  };
  const auto name = wire::usbip::name_in(record.busid);
  if (!name || *name != busid) {
    return malformed("the reply names another bus id than the one asked for");
  }
  if (!usb::speed_from_code(record.speed)) {
    return malformed("speed " + std::to_string(record.speed) + " does not exist");
  }
  if (record.busnum > 0xffff || record.devnum > 0xffff) {
    return malformed("bus or device number out of range");
  }
  return wire::usbip::DeviceAddress{
      .path = std::string(wire::usbip::name_in(record.path).value_or("")),
      .busid = std::string(busid),
      .busnum = static_cast<std::uint16_t>(record.busnum),
      .devnum = static_cast<std::uint16_t>(record.devnum)};
}

std::vector<std::byte> encode_devlist(const std::vector<ListedDevice>& devices) {
  ByteWriter reply;
  reply.put(
      wire::usbip::DevlistReplyHead{.device_count = static_cast<std::uint32_t>(devices.size())});
  for (const auto& device : devices) {
    auto record = device.record;
    record.bNumInterfaces = static_cast<std::uint8_t>(device.interfaces.size());
    reply.put(record);
    for (const auto& interface : device.interfaces) {
      reply.put(
          wire::usbip::InterfaceRecord{interface.code, interface.subclass, interface.protocol});
    }
  }
  return reply.release();
}

}  // namespace periprox::session
