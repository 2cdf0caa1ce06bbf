// drivers/usb/core/devio.c: proc_do_submiturb() for what it accepts, processcompl() for what it
// writes back.
#include "periprox/physical/transfer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace periprox::physical {
namespace {

using usb::Status;
using usb::TransferType;

// USBFS_XFER_MAX is somewhat less than this; nothing near it can be allocated anyway.
constexpr std::uint32_t kMostBytes = std::numeric_limits<std::int32_t>::max() / 2;

/// Rare: pieces are kept for the next transfer.
[[gnu::noinline]] void make_piece(Transfer& transfer, std::size_t index,
                                  std::size_t packet_capacity) {
  auto& pieces = transfer.pieces;
  if (pieces.size() <= index) pieces.resize(index + 1);
  pieces[index] = std::make_unique<KernelUrb>(packet_capacity);
}

KernelUrb& use_piece(Transfer& transfer, std::size_t index, std::size_t packet_capacity) {
  const auto& pieces = transfer.pieces;
  // The record may have served another kind of transfer before, without room for packets.
  if (pieces.size() <= index || pieces[index]->packet_capacity() < packet_capacity) {
    make_piece(transfer, index, packet_capacity);
  }
  KernelUrb& piece = *pieces[index];
  *piece.raw() = usbdevfs_urb{};
  piece.owner = &transfer;
  piece.first_packet = 0;
  piece->endpoint = transfer.urb->endpoint.value();
  transfer.piece_count = index + 1;
  return piece;
}

bool payload_holds(const usb::UrbData& urb) {
  return urb.length == 0 || (urb.payload && urb.payload.capacity() >= urb.length);
}

/// The flags that mean something for this direction; usbfs logs a complaint about the others.
unsigned int kernel_flags(const usb::UrbData& urb, bool in) {
  unsigned int flags = 0;
  if (in && urb.flags.short_not_ok) flags |= USBDEVFS_URB_SHORT_NOT_OK;
  if (!in && urb.flags.zero_packet && urb.type != TransferType::Control) {
    flags |= USBDEVFS_URB_ZERO_PACKET;
  }
  return flags;
}

std::optional<Status> prepare_control(Transfer& transfer, MappedPool& pool) {
  usb::UrbData& urb = *transfer.urb;
  if (urb.setup.wLength != urb.length) return Status::BadLength;
  if (urb.length > 0 && urb.setup.is_in() != urb.is_in()) return Status::InvalidArgument;
  const bool in = urb.setup.is_in();
  std::byte* buffer = nullptr;
  if (urb.length == 0) {
    buffer = transfer.bare_setup.data();
  } else if (pool.has_setup_room(urb.payload)) {
    buffer = urb.payload.data() - MappedPool::kSetupRoom;
  } else {
    transfer.copy = pool.allocate(urb.length + static_cast<std::uint32_t>(MappedPool::kSetupRoom));
    if (!transfer.copy) return Status::NoMemory;
    buffer = transfer.copy.data();
    if (!in) std::memcpy(buffer + MappedPool::kSetupRoom, urb.payload.data(), urb.length);
  }
  std::memcpy(buffer, &urb.setup, sizeof urb.setup);
  KernelUrb& piece = use_piece(transfer, 0, 0);
  piece->type = static_cast<unsigned char>(KernelTransferType::Control);
  piece->endpoint = urb.endpoint.number();
  piece->buffer = buffer;
  piece->buffer_length = static_cast<int>(MappedPool::kSetupRoom + urb.length);
  piece->flags = kernel_flags(urb, in);
  return std::nullopt;
}

std::optional<Status> prepare_simple(Transfer& transfer) {
  usb::UrbData& urb = *transfer.urb;
  KernelUrb& piece = use_piece(transfer, 0, 0);
  const bool bulk = urb.type == TransferType::Bulk;
  piece->type =
      static_cast<unsigned char>(bulk ? KernelTransferType::Bulk : KernelTransferType::Interrupt);
  piece->buffer = urb.length > 0 ? urb.payload.data() : nullptr;
  piece->buffer_length = static_cast<int>(urb.length);
  piece->flags = kernel_flags(urb, urb.is_in());
  if (bulk) piece->stream_id = urb.stream_id;
  return std::nullopt;
}

std::optional<Status> prepare_isochronous(Transfer& transfer, MappedPool& pool) {
  usb::UrbData& urb = *transfer.urb;
  if (!iso_packets_fit(urb.iso_packets, urb.length)) return Status::InvalidArgument;
  const std::uint64_t packed_length = iso_packed_length(urb.iso_packets);
  if (packed_length > kMostBytes) return Status::InvalidArgument;
  std::byte* data = urb.payload.data();
  if (!iso_packets_packed(urb.iso_packets)) {
    transfer.copy = pool.allocate(static_cast<std::uint32_t>(packed_length));
    if (packed_length > 0 && !transfer.copy) return Status::NoMemory;
    data = transfer.copy.data();
    if (!urb.is_in()) {
      pack_iso(urb.iso_packets, urb.payload.first(urb.length),
               transfer.copy.first(static_cast<std::size_t>(packed_length)));
    }
  }
  std::size_t index = 0;
  for (const IsoPiece& part : split_iso(urb.iso_packets, kMaxKernelIsoPackets)) {
    KernelUrb& piece = use_piece(transfer, index++, kMaxKernelIsoPackets);
    piece.first_packet = part.first_packet;
    piece->type = static_cast<unsigned char>(KernelTransferType::Isochronous);
    // The pieces follow each other on the bus; the peer's frame numbers are not this bus's.
    piece->flags = USBDEVFS_URB_ISO_ASAP;
    piece->buffer = part.length > 0 ? data + part.offset : nullptr;
    piece->buffer_length = static_cast<int>(part.length);
    piece->number_of_packets = static_cast<int>(part.packet_count);
    const auto packets = piece.packets(part.packet_count);
    for (std::size_t i = 0; i < packets.size(); ++i) {
      packets[i] = {urb.iso_packets[part.first_packet + i].length, 0, 0};
    }
  }
  return std::nullopt;
}

void collect_packets(Transfer& transfer, const KernelUrb& piece) {
  usb::UrbData& urb = *transfer.urb;
  const auto packets = piece.packets(static_cast<std::size_t>(piece->number_of_packets));
  for (std::size_t i = 0; i < packets.size(); ++i) {
    auto& packet = urb.iso_packets[piece.first_packet + i];
    packet.actual_length = std::min(packets[i].actual_length, packet.length);
    packet.status = usb::status_from_errno(static_cast<int>(packets[i].status));
    transfer.actual_length += packet.actual_length;
  }
}

Status outcome(const Transfer& transfer, KilledBy killed_by) {
  // DISCARDURB kills, too: ENOENT. A device that goes away gives its URBs back as any of these.
  const bool killed = transfer.error == ENOENT || transfer.error == ECONNRESET ||
                      transfer.error == ESHUTDOWN || transfer.error == ENODEV;
  if (killed && killed_by == KilledBy::Unplug) return Status::DeviceGone;
  if (killed && (transfer.cancelled || killed_by == KilledBy::Reset)) return Status::Cancelled;
  return usb::status_from_errno(transfer.error);
}

}  // namespace

void Transfer::clear() {
  copy.reset();
  urb = {};
  state = State::Waiting;
  special = SpecialRequest::None;
  clears_halt = false;
  prepared = false;
  cancelled = false;
  piece_count = submitted = reaped = 0;
  error = 0;
  actual_length = 0;
  before = after = nullptr;
}

std::optional<Status> prepare_transfer(Transfer& transfer, const usb::DeviceModel& model,
                                       MappedPool& pool) {
  usb::UrbData& urb = *transfer.urb;
  const usb::EndpointInfo* endpoint = model.endpoint(urb.endpoint);
  if (endpoint == nullptr) return Status::Killed;
  if (urb.length > kMostBytes) return Status::InvalidArgument;
  urb.type = endpoint->type;
  if (urb.is_in() && !urb.payload) {
    urb.payload = pool.allocate(urb.length);
    if (urb.length > 0 && !urb.payload) return Status::NoMemory;
  }
  if (!payload_holds(urb)) return Status::InvalidArgument;
  transfer.prepared = true;
  switch (urb.type) {
    case TransferType::Control:
      return prepare_control(transfer, pool);
    case TransferType::Isochronous:
      return prepare_isochronous(transfer, pool);
    case TransferType::Bulk:
    case TransferType::Interrupt:
      break;
  }
  return prepare_simple(transfer);
}

void collect_piece(Transfer& transfer, const KernelUrb& piece) {
  ++transfer.reaped;
  if (transfer.error == 0) transfer.error = -piece->status;
  if (transfer.urb->type == TransferType::Isochronous) {
    collect_packets(transfer, piece);
  } else {
    const auto moved = static_cast<std::uint32_t>(std::max(piece->actual_length, 0));
    transfer.actual_length = std::min(moved, transfer.urb->length);
  }
}

void conclude_transfer(Transfer& transfer, KilledBy killed_by) {
  usb::UrbData& urb = *transfer.urb;
  urb.status = outcome(transfer, killed_by);
  urb.actual_length = transfer.actual_length;
  if (urb.type == TransferType::Isochronous && transfer.prepared) {
    if (transfer.copy && urb.is_in()) {
      spread_iso(urb.iso_packets, transfer.copy.first(transfer.copy.capacity()),
                 urb.payload.first(urb.length));
    }
    urb.error_count = static_cast<std::uint32_t>(
        std::count_if(urb.iso_packets.begin(), urb.iso_packets.end(),
                      [](const usb::IsoPacket& packet) { return packet.status != Status::Ok; }));
  } else if (transfer.copy && urb.is_in()) {
    std::memcpy(urb.payload.data(), transfer.copy.data() + MappedPool::kSetupRoom,
                urb.actual_length);
  }
}

}  // namespace periprox::physical
