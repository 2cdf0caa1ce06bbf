// URBs of a ring server session: from SUBMIT to COMPLETED.
#include <algorithm>
#include <cstring>
#include <utility>

#include "periprox/session/ring_server.hpp"
#include "periprox/session/urb_checks.hpp"

namespace periprox::session {

using namespace wire::ring;  // NOLINT(google-build-using-namespace): the language of this file
using usb::EndpointAddress;
using usb::Status;
using usb::TransferType;
using wire::usbip::kMaxIsoPackets;

void RingServer::submit(const Entry& entry) {
  if (state_ != State::Urbs) return fault("a SUBMIT comes before a device was imported");
  const auto number = slot_of(entry.tag);
  if (number >= slots_.size()) return fault("a slot does not exist");
  auto& slot = slots_[number];
  if (slot.is_taken) return fault("a slot is taken already");
  if ((entry.endpoint & 0x70) != 0) return fault("an endpoint does not exist");
  if (!layout_.arena_holds(entry.payload, entry.length)) {
    return fault("a payload lies outside the arena");
  }
  if (entry.packets > kMaxIsoPackets ||
      !layout_.arena_holds(entry.packet_table, entry.packets * sizeof(Packet))) {
    return fault("a packet table is too long, or lies outside the arena");
  }
  slot = Slot{.is_taken = true, .tag = entry.tag, .length = entry.length};
  ++pending_;

  usb::Urb urb = urbs_.take();
  const auto refusal = prepare(entry, slot, *urb);
  urb.push_sink(*this, number);
  if (refusal) {
    urb.complete(*refusal, 0);
    return;
  }
  slot.handle = urb.handle();
  lease_->device().submit(std::move(urb));
}

/// Makes an URB of an entry; the status to refuse it with when it makes no sense to the device.
std::optional<Status> RingServer::prepare(const Entry& entry, Slot& slot, usb::UrbData& urb) {
  auto& device = lease_->device();
  urb.endpoint = EndpointAddress(entry.endpoint);
  urb.flags = decode_flags(entry.flags);
  urb.setup = entry.setup;
  urb.length = entry.length;
  urb.interval = entry.interval;
  urb.start_frame = entry.start_frame;
  urb.stream_id = entry.stream_id;
  slot.is_in = urb.is_in();
  const auto* endpoint = device.model().endpoint(urb.endpoint);
  if (endpoint == nullptr) return Status::Killed;
  urb.type = endpoint->type;
  slot.is_iso = urb.type == TransferType::Isochronous;
  slot.payload = entry.payload;

  if (urb.type == TransferType::Control) {
    if (const auto refusal = judge_control(urb.setup, slot.is_in, urb.length)) return refusal;
  } else if (slot.is_iso) {
    slot.packets = entry.packets;
    slot.packet_table = entry.packet_table;
    const auto table = arena_.at(slot.packet_table, slot.packets * sizeof(Packet));
    for (std::size_t i = 0; i < slot.packets; ++i) {
      Packet packet;
      std::memcpy(&packet, table.data() + i * sizeof(Packet), sizeof(Packet));
      urb.iso_packets.push_back(decode_packet(packet));
      urb.iso_packets.back().actual_length = 0;
    }
    if (wire::usbip::check_iso_layout(urb.iso_packets, urb.length)) return Status::InvalidArgument;
  }

  const bool parsed = urb.type == TransferType::Control || urb.length <= kRingCopySize;
  if (slot.is_in || !parsed) {
    urb.payload = arena_.lend(entry.payload, urb.length);
  } else if (urb.length > 0) {
    urb.payload = device.allocate(urb.length);
    if (!urb.payload) return Status::NoMemory;
    std::memcpy(urb.payload.data(), arena_.at(entry.payload, urb.length).data(), urb.length);
  }
  return std::nullopt;
}

void RingServer::cancel(const Entry& entry) {
  if (state_ != State::Urbs) return fault("a CANCEL comes before a device was imported");
  const auto number = slot_of(entry.tag);
  if (number >= slots_.size()) return fault("a slot does not exist");
  auto& slot = slots_[number];
  // One for an URB that is done crossed its COMPLETED.
  if (!slot.is_taken || slot.tag != entry.tag || std::exchange(slot.cancelled, true)) return;
  lease_->device().cancel(slot.handle);
}

void RingServer::on_completed(usb::Urb urb, std::uint64_t cookie) {
  auto& slot = slots_[cookie];
  Entry entry{.kind = static_cast<std::uint16_t>(Kind::Completed),
              .tag = slot.tag,
              .status = wire::usbip::encode_status(urb->status),
              .start_frame = urb->start_frame};
  if (state_ == State::Urbs) {
    entry.actual_length = deliver(slot, *urb);
    entry.error_count = static_cast<std::uint32_t>(std::ranges::count_if(
        urb->iso_packets, [](const auto& packet) { return packet.status != Status::Ok; }));
  }
  // The place may be written by its next owner from here on.
  urb->payload.reset();
  slot.is_taken = false;
  --pending_;
  if (state_ == State::Urbs) put(entry);
  changed();
}

/// Sees to it that the data lies where the importer looks for it; returns how many bytes moved. A
/// device that says it moved more than was asked for, or than it gave, is not believed.
std::uint32_t RingServer::deliver(const Slot& slot, const usb::UrbData& urb) const {
  const auto room = arena_.at(slot.payload, slot.length);
  const bool in_place = urb.payload.data() == room.data();
  if (!slot.is_iso) {
    auto moved = std::min(urb.actual_length, slot.length);
    if (!slot.is_in) return moved;
    moved = std::min(moved, urb.payload.capacity());
    if (moved > 0 && !in_place) std::memcpy(room.data(), urb.payload.data(), moved);
    return moved;
  }
  std::uint32_t moved = 0;
  const auto table = arena_.at(slot.packet_table, slot.packets * sizeof(Packet));
  const auto count = std::min<std::size_t>(urb.iso_packets.size(), slot.packets);
  for (std::size_t i = 0; i < count; ++i) {
    auto packet = urb.iso_packets[i];
    packet.actual_length = std::min(packet.actual_length, packet.length);
    const bool has_data = std::uint64_t{packet.offset} + packet.length <= slot.length &&
                          urb.payload.capacity() >= slot.length;
    if (slot.is_in && !has_data) packet.actual_length = 0;
    if (slot.is_in && !in_place && packet.actual_length > 0) {
      std::memcpy(room.data() + packet.offset, urb.payload.data() + packet.offset,
                  packet.actual_length);
    }
    moved += packet.actual_length;
    const auto encoded = encode_packet(packet);
    std::memcpy(table.data() + i * sizeof(Packet), &encoded, sizeof(Packet));
  }
  return moved;
}

}  // namespace periprox::session
