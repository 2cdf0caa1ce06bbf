// The device's side of a client session: URBs become CMD_SUBMITs, cancels become CMD_UNLINKs.
#include <algorithm>
#include <utility>

#include "periprox/session/urb_checks.hpp"
#include "periprox/session/usbip_client.hpp"

namespace periprox::session {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file
using usb::Status;
using usb::TransferType;
using usb::Urb;

void UsbipClient::submit(Urb urb) {
  if (state_ == State::Ended) {
    urb.complete(Status::DeviceGone, 0);
    return;
  }
  if (const auto outcome = judge_submission(*urb, model_)) {
    urb.complete(*outcome, 0);
    return;
  }
  const bool is_iso = urb->type == TransferType::Isochronous;
  const auto number = slots_.take();
  if (!number) {
    urb.complete(Status::NoMemory, 0);
    return;
  }
  auto& slot = slots_[*number];
  slot.kind = ClientSlot::Kind::Urb;
  slot.is_in = urb->is_in();
  slot.is_iso = is_iso;
  slot.length = urb->length;
  slot.packets = is_iso ? static_cast<std::uint32_t>(urb->iso_packets.size()) : 0;
  slot.unlinked = false;
  slot.submission = ++submissions_;
  urb.set_device_note(slots_.seqnum_of(*number));
  slot.urb = std::move(urb);
  ++pending_;
  put_submit(*number);
  changed();
}

void UsbipClient::put_submit(std::uint16_t number) {
  auto& slot = slots_[number];
  auto& urb = *slot.urb;
  std::uint32_t length = urb.length;
  CmdSubmit header{.basic = {.command = static_cast<std::uint32_t>(Command::CmdSubmit),
                             .seqnum = slots_.seqnum_of(number),
                             .devid = address_.devid(),
                             .direction = slot.is_in ? 1U : 0U,
                             .ep = std::uint32_t{urb.endpoint.number()}},
                   .transfer_flags = encode_flags(urb.flags) | (slot.is_in ? kFlagDirIn : 0),
                   .start_frame = urb.start_frame,
                   .number_of_packets = static_cast<std::int32_t>(slot.packets)};
  if (urb.type == TransferType::Control) header.setup = urb.setup;
  // usbipd-win tells interrupt from bulk by this field alone.
  if (urb.type == TransferType::Interrupt || slot.is_iso) {
    const auto* endpoint = model_.endpoint(urb.endpoint);
    const auto interval =
        urb.interval != 0 || endpoint == nullptr ? urb.interval : endpoint->interval;
    header.interval = static_cast<std::int32_t>(std::clamp<std::uint32_t>(interval, 1, 1U << 15));
  }

  if (slot.is_iso && !slot.is_in) length = compact_iso(urb);
  header.transfer_buffer_length = static_cast<std::int32_t>(length);
  sender_.put_struct(header);
  if (!slot.is_in) sender_.put_payload(std::move(urb.payload), length);
  // Moved together, OUT packets lie one behind the other; the URB keeps the offsets it came with.
  std::uint32_t next_offset = 0;
  for (auto packet : urb.iso_packets) {
    packet.actual_length = 0;
    if (!slot.is_in) packet.offset = std::exchange(next_offset, next_offset + packet.length);
    auto descriptor = encode_iso(packet);
    descriptor.status = kIsoStatusAtSubmit;
    sender_.put_struct(descriptor);
  }
}

/// Moves OUT packets together, because usbipd-win insists that their lengths add up to the
/// buffer's; returns the sum.
std::uint32_t UsbipClient::compact_iso(usb::UrbData& urb) {
  std::uint32_t length = 0;
  for (auto& packet : urb.iso_packets) {
    packet.actual_length = packet.length;  // What pack_iso() moves.
    length += packet.length;
  }
  if (length > 0) pack_iso(urb.payload.first(urb.length), urb.iso_packets);
  return length;
}

void UsbipClient::cancel(usb::UrbHandle urb) {
  const auto found = slots_.find(static_cast<std::uint32_t>(urb.device_note()));
  if (!found || slots_[*found].kind != ClientSlot::Kind::Urb || slots_[*found].unlinked) return;
  const auto number = slots_.take();
  if (!number) return;  // All 65535 are in use; the URB ends by its own answer or with the session.
  auto& unlink = slots_[*number];
  auto& target = slots_[*found];
  target.unlinked = true;
  unlink.kind = ClientSlot::Kind::Unlink;
  unlink.unlink_target = *found;
  unlink.target_generation = target.generation;
  unlink.unlink_deadline = kStampLater;
  unlinks_.push({*number, unlink.generation});
  sender_.put_struct(CmdUnlink{.basic = {.command = static_cast<std::uint32_t>(Command::CmdUnlink),
                                         .seqnum = slots_.seqnum_of(*number),
                                         .devid = address_.devid()},
                               .unlink_seqnum = slots_.seqnum_of(*found)});
  changed();
}

void UsbipClient::on_gone(std::function<void()> handler) {
  if (state_ == State::Ended) {
    handler();
  } else {
    gone_ = std::move(handler);
  }
}

}  // namespace periprox::session
