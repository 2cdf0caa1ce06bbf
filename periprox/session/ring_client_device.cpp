// The device's side of a ring client session: URBs become SUBMITs, COMPLETEDs complete them.
//
// An OUT URB whose payload the arena gave out is submitted as it lies; so is an IN URB's. All
// others get a piece of the arena for the way: small data, control data, and what was allocated
// while the arena was full.
#include <algorithm>
#include <bitset>
#include <cstring>
#include <utility>

#include "periprox/session/ring_client.hpp"
#include "periprox/session/urb_checks.hpp"

namespace periprox::session {

using namespace wire::ring;  // NOLINT(google-build-using-namespace): the language of this file
using usb::Status;
using usb::TransferType;
using usb::Urb;

namespace {

/// Names an URB that was not sent yet, in place of a tag.
constexpr std::uint64_t kNotSent = ~std::uint64_t{0};

/// A deadline whose start is "now", which only poll() is told.
constexpr TimePoint kStampLater = TimePoint::min();

}  // namespace

Payload RingClient::allocate(std::uint32_t size) {
  if (size > kRingCopySize && arena_) {
    if (auto payload = arena_->allocate(size)) return payload;
  }
  return payloads_.allocate(size);
}

void RingClient::submit(Urb urb) {
  if (state_ == State::Ended) {
    urb.complete(Status::DeviceGone, 0);
    return;
  }
  if (const auto outcome = judge_submission(*urb, model_)) {
    urb.complete(*outcome, 0);
    return;
  }
  if (urb->length > layout_.arena_size / 2) {
    urb.complete(Status::NoMemory, 0);
    return;
  }
  const auto is_of_this_endpoint = [&](const Urb& other) {
    return other->endpoint.number() == urb->endpoint.number();
  };
  const bool must_wait = std::ranges::any_of(waiting_, is_of_this_endpoint);
  if (must_wait || !start(urb)) {
    urb.set_device_note(kNotSent);
    waiting_.push_back(std::move(urb));
  }
  changed();
}

/// Sends an URB, and takes it; false when there is no room for it now.
bool RingClient::start(Urb& urb) {
  if (!slots_.has_free() || !port_->has_room()) return false;
  const bool is_iso = urb->type == TransferType::Isochronous;
  const bool in_place = urb->payload && arena_->owns(urb->payload);
  Payload piece;
  Payload packet_table;
  if (urb->length > 0 && !in_place) {
    piece = arena_->allocate(urb->length);
    if (!piece) return false;
    if (!urb->is_in()) std::memcpy(piece.data(), urb->payload.data(), urb->length);
  }
  if (is_iso && !urb->iso_packets.empty()) {
    packet_table =
        arena_->allocate(static_cast<std::uint32_t>(urb->iso_packets.size() * sizeof(Packet)));
    if (!packet_table) return false;
    auto* place = packet_table.data();
    for (auto packet : urb->iso_packets) {
      packet.actual_length = 0;
      packet.status = Status::Ok;
      const auto encoded = encode_packet(packet);
      std::memcpy(place, &encoded, sizeof(Packet));
      place += sizeof(Packet);
    }
  }
  Entry entry{
      .kind = static_cast<std::uint16_t>(Kind::Submit),
      .flags = encode_flags(urb->flags),
      .endpoint = urb->endpoint.value(),
      .transfer_type = static_cast<std::uint8_t>(urb->type),
      .stream_id = urb->stream_id,
      .length = urb->length,
      .packets = is_iso ? static_cast<std::uint32_t>(urb->iso_packets.size()) : std::uint32_t{0},
      .start_frame = urb->start_frame,
      .interval = urb->interval};
  if (urb->type == TransferType::Control) entry.setup = urb->setup;
  if (in_place) entry.payload = arena_->offset_of(urb->payload);
  if (piece) entry.payload = arena_->offset_of(piece);
  if (packet_table) entry.packet_table = arena_->offset_of(packet_table);
  const auto tag = slots_.take(std::move(urb));
  auto& slot = *slots_.find(tag);
  slot.urb.set_device_note(tag);
  slot.piece = std::move(piece);
  slot.packet_table = std::move(packet_table);
  entry.tag = tag;
  port_->put(entry);
  return true;
}

/// Sends what waits, as far as there is room; an endpoint whose first has to wait on waits whole.
void RingClient::start_waiting() {
  if (waiting_.empty()) return;
  std::bitset<16> blocked;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const auto number = (*it)->endpoint.number();
    if (!blocked[number] && start(*it)) {
      it = waiting_.erase(it);
    } else {
      blocked.set(number);
      ++it;
    }
    if (!slots_.has_free() || !port_->has_room()) return;
  }
}

void RingClient::cancel(usb::UrbHandle urb) {
  if (urb.device_note() == kNotSent) {
    const auto found =
        std::ranges::find_if(waiting_, [urb](const Urb& other) { return other.handle() == urb; });
    if (found == waiting_.end()) return;
    auto taken = std::move(*found);
    waiting_.erase(found);
    taken.complete(Status::Cancelled, 0);
    return;
  }
  const auto tag = static_cast<std::uint32_t>(urb.device_note());
  auto* slot = slots_.find(tag);
  if (slot == nullptr || slot->kind != RingClientSlot::Kind::Urb) return;
  if (std::exchange(slot->cancelled, true)) return;
  cancels_.push(tag);
  send_cancels();
  changed();
}

bool RingClient::send_cancels() {
  bool moved = false;
  for (; !cancels_.empty() && port_->has_room(); moved = true) {
    const auto tag = cancels_.pop();
    port_->put({.kind = static_cast<std::uint16_t>(Kind::Cancel), .tag = tag});
    late_cancels_.push({tag, kStampLater});
  }
  return moved;
}

/// Gives back cancelled URBs that the exporter keeps too long. What it may still write stays with
/// the slot.
void RingClient::give_up_late_cancels(TimePoint now) {
  for (std::size_t left = late_cancels_.size(); left > 0; --left) {
    auto [tag, deadline] = late_cancels_.pop();
    auto* slot = slots_.find(tag);
    if (slot == nullptr || slot->kind != RingClientSlot::Kind::Urb) continue;
    if (deadline == kStampLater) deadline = now + limits_.cancel_timeout;
    if (now < deadline) {
      late_cancels_.push({tag, deadline});
      continue;
    }
    if (slot->urb->payload && arena_->owns(slot->urb->payload)) {
      slot->piece = std::move(slot->urb->payload);
    }
    slots_.retire(*slot).complete(Status::Cancelled, 0);
  }
}

void RingClient::on_gone(std::function<void()> handler) {
  if (state_ == State::Ended) {
    handler();
  } else {
    gone_ = std::move(handler);
  }
}

void RingClient::completed(const Entry& entry) {
  auto* slot = slots_.find(entry.tag);
  if (slot == nullptr) return fault("it completes an URB that is not pending");
  if (slot->kind == RingClientSlot::Kind::Retired) {
    slots_.free(entry.tag);
    return;
  }
  auto& pending = *slot->urb;
  if (entry.actual_length > pending.length) {
    return fault(std::to_string(entry.actual_length) + " bytes came to a request of " +
                 std::to_string(pending.length));
  }
  pending.start_frame = entry.start_frame;
  const auto status = take_result(*slot, entry);
  if (pending.type == TransferType::Control && status == Status::Ok) {
    note_setting(model_, pending.setup);
  }
  auto urb = std::move(slot->urb);
  slots_.free(entry.tag);
  const bool data_is_lost = status != wire::usbip::decode_status(entry.status);
  urb.complete(status, data_is_lost ? 0 : std::uint32_t{entry.actual_length});
}

/// The outcome of an URB, its data taken over.
Status RingClient::take_result(RingClientSlot& slot, const Entry& entry) {
  auto& urb = *slot.urb;
  if (urb.type == TransferType::Isochronous && !take_packets(slot, entry.actual_length)) {
    return Status::ProtocolError;
  }
  if (urb.is_in() && entry.actual_length > 0 && !take_data(slot, entry.actual_length)) {
    return Status::NoMemory;
  }
  return wire::usbip::decode_status(entry.status);
}

/// Gives an IN URB its data: where it lies, or, if somebody may parse it, or the submitter brought
/// memory of its own, as a copy. False when there is no memory for that.
bool RingClient::take_data(RingClientSlot& slot, std::uint32_t count) {
  auto& urb = *slot.urb;
  if (!slot.piece) return true;  // The submitter's own memory is the arena's.
  // Isochronous data lies sparse.
  const auto needed = urb.type == TransferType::Isochronous ? urb.length : count;
  if (urb.payload.capacity() < needed) {
    if (urb.type != TransferType::Control && needed > kRingCopySize) {
      urb.payload = std::move(slot.piece);
      return true;
    }
    urb.payload = payloads_.allocate(needed);
    if (!urb.payload) return false;
  }
  std::memcpy(urb.payload.data(), slot.piece.data(), needed);
  return true;
}

bool RingClient::take_packets(RingClientSlot& slot, std::uint32_t actual_length) {
  iso_results_.clear();
  const auto* place = slot.packet_table.data();
  for (std::size_t i = 0; i < slot.urb->iso_packets.size(); ++i) {
    Packet packet;
    std::memcpy(&packet, place, sizeof(Packet));
    iso_results_.push_back(decode_packet(packet));
    place += sizeof(Packet);
  }
  return take_iso_results(*slot.urb, iso_results_, actual_length);
}

}  // namespace periprox::session
