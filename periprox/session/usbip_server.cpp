// How it works: process() takes as many whole messages as have arrived, one step() each. A
// CMD_SUBMIT goes through UrbHeader (decode and judge), AdmitSubmit (is there memory?), OutData
// (the link reads straight into the device's payload) and IsoDescriptors, and is then submitted.
// What is wrong with a well-formed URB is an answer, not an error: its payload is consumed and it
// is refused with a status. What leaves the stream without a next header is the peer's end.
#include "periprox/session/usbip_server.hpp"

#include <algorithm>
#include <utility>

#include "periprox/session/urb_checks.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/usb/status.hpp"

namespace periprox::session {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file
using usb::Direction;
using usb::EndpointAddress;
using usb::Status;
using usb::TransferType;
using usb::Urb;

namespace {

/// What an URB without data weighs: its record, its place in the tables, its reply.
constexpr std::size_t kUrbOverhead = 512;

/// What each isochronous packet adds: in memory, and as a descriptor in the reply.
constexpr std::size_t kIsoPacketOverhead = sizeof(usb::IsoPacket) + sizeof(IsoDescriptor);

/// More UNLINKs before their SUBMITs than any host sends.
constexpr std::size_t kMaxHeldUnlinks = 256;

/// True for the distance from one number of a wrapping counter to a later one.
bool is_later(std::uint32_t distance) { return distance != 0 && distance < 0x8000'0000U; }

bool outcome_is_cancel(Status status) {
  return status == Status::Cancelled || status == Status::Killed;
}

}  // namespace

UsbipServer::UsbipServer(Exports& exports, std::string peer, TimePoint now, ServerLimits limits)
    : exports_(&exports),
      peer_(std::move(peer)),
      limits_(limits),
      deadline_(now + limits.request_timeout),
      self_(std::make_shared<UsbipServer*>(this)) {}

UsbipServer::UsbipServer(Lease lease, ServerLimits limits)
    : limits_(limits), self_(std::make_shared<UsbipServer*>(this)) {
  begin_urbs(std::move(lease));
}

UsbipServer::~UsbipServer() {
  *self_ = nullptr;
  state_ = State::Ending;  // A completion during this must not submit what waits for memory.
  waker_ = nullptr;
  // Normally nothing is pending: the pump waits for finished(). A pump that is itself torn down
  // must not leave the device with a way back to a session that is gone.
  for (const auto slot : pending_.slots()) {
    const auto handle = pending_[slot].handle;
    if (!handle) continue;
    handle.forget_sink(*this);
    lease_->device().cancel(handle);
  }
}

// ---- The pump's side
// ------------------------------------------------------------------------------

std::span<const MutableBytes> UsbipServer::receive_into() {
  const bool reading =
      state_ != State::Ending && state_ != State::AdmitSubmit && state_ != State::Claiming;
  if (!reading || memory_of_replies() > limits_.memory) return {};
  return receiver_.places();
}

void UsbipServer::received(std::size_t count) {
  in_call_ = true;
  receiver_.advance(count);
  process();
  in_call_ = false;
}

void UsbipServer::receive_ended(std::optional<Error> error) {
  if (state_ == State::Ending) return;  // Nothing more was expected of the peer.
  const bool between_messages = receiver_.staged() == 0 && receiver_.filled() &&
                                (state_ == State::UrbHeader || state_ == State::OpHeader);
  if (error) {
    failure_ = std::move(error);
  } else if (state_ != State::Claiming && !between_messages) {
    failure_ = Error{Error::Kind::Malformed,
                     "the connection ended inside a message",
                     "the message at offset " + std::to_string(message_offset_) + " is incomplete",
                     {}};
  }
  close();
}

void UsbipServer::written(std::size_t count) {
  in_call_ = true;
  sender_.written(count);
  if (state_ == State::AdmitSubmit && count > 0) deadline_.reset();  // Something moved.
  process_if_held_up();
  in_call_ = false;
}

std::optional<TimePoint> UsbipServer::wake_at() const {
  if (!deadline_ && !gone_until_ && !held_until_ && !farewell_until_) return std::nullopt;
  const auto or_never = [](const auto& when) { return when.value_or(TimePoint::max()); };
  return std::min({or_never(deadline_), or_never(gone_until_), or_never(held_until_),
                   or_never(farewell_until_)});
}

void UsbipServer::woken(TimePoint now) {
  in_call_ = true;
  if (held_until_ == kStampLater) {
    held_until_ = now + limits_.overtaken;
  } else if (held_until_ && now >= *held_until_) {
    answer_held_unlinks();
  }
  if (farewell_until_ == kStampLater) {
    farewell_until_ = now + limits_.farewell;
  } else if (farewell_until_ && now >= *farewell_until_) {
    farewell_until_.reset();
    farewell_over_ = true;
  }
  if (gone_until_ == kStampLater) {
    gone_until_ = now + limits_.gone_linger;
  } else if (gone_until_ && now >= *gone_until_) {
    close();
  }
  if (deadline_ == kStampLater) {
    deadline_ = now + limits_.starvation;
  } else if (deadline_ && now >= *deadline_) {
    deadline_.reset();
    if (state_ == State::OpHeader || state_ == State::ImportBody) {
      failure_ =
          Error{Error::Kind::Failed, "the client asked for nothing", "no request in time", {}};
      close();
    } else if (state_ == State::AdmitSubmit) {
      incoming_.refusal = Status::NoMemory;
      process();
    }
  }
  in_call_ = false;
}

// ---- Reading
// --------------------------------------------------------------------------------------

void UsbipServer::process() {
  if (processing_) return;
  processing_ = true;
  held_up_ = false;
  while (receiver_.filled() && step()) {
  }
  processing_ = false;
}

/// Something was written or completed, which only matters to what waits for it.
void UsbipServer::process_if_held_up() {
  if (held_up_) process();
}

/// Takes one message or part of one; false when it must wait for bytes, memory or an answer. A
/// CMD_SUBMIT that is here as a whole goes through its states at once.
bool UsbipServer::step() {
  switch (state_) {
    case State::OpHeader:
      return read_op_header();
    case State::ImportBody:
      return read_import_body();
    case State::UrbHeader:
      if (!read_urb_header()) return false;
      if (state_ != State::AdmitSubmit) return true;
      [[fallthrough]];
    case State::AdmitSubmit:
      if (!admit_submit()) return false;
      if (!receiver_.filled()) return false;
      [[fallthrough]];
    case State::OutData:
      read_iso_descriptors();
      if (!receiver_.filled()) return false;
      [[fallthrough]];
    case State::IsoDescriptors:
      submit();
      return true;
    case State::Claiming:
    case State::Ending:
      return false;
  }
  return false;
}

void UsbipServer::begin_urbs(Lease lease) {
  lease_.emplace(std::move(lease));
  state_ = State::UrbHeader;
  lease_->device().on_gone([self = self_] {
    if (*self != nullptr) (*self)->device_gone();
  });
}

bool UsbipServer::read_urb_header() {
  if (memory_of_replies() > limits_.memory) {
    held_up_ = true;
    return false;
  }
  message_offset_ = receiver_.offset();
  const auto* const in_place = receiver_.take_in_place<CmdSubmit>();
  if (in_place == nullptr) return false;
  const CmdSubmit& header = *in_place;
  if (header.basic.devid != lease_->address().devid()) {
    malformed("device id " + std::to_string(header.basic.devid) +
              " is not that of the imported device");
    return false;
  }
  switch (decode_command(header.basic.command).value_or(Command::RetSubmit)) {
    case Command::CmdSubmit:
      return decode_submit(header);
    case Command::CmdUnlink:
      unlink(std::bit_cast<CmdUnlink>(header));
      return true;
    case Command::RetSubmit:
    case Command::RetUnlink:
      break;
  }
  malformed("command " + std::to_string(header.basic.command) + " is none that a client sends");
  return false;
}

/// False when nothing that comes behind it can be understood.
bool UsbipServer::decode_submit(const CmdSubmit& header) {
  const std::uint32_t direction = header.basic.direction;
  const std::uint32_t number = header.basic.ep;
  const std::int32_t length = header.transfer_buffer_length;
  if (direction > 1 || number > 15) {
    malformed("direction " + std::to_string(direction) + ", endpoint " + std::to_string(number) +
              " do not exist");
    return false;
  }
  const bool is_in = direction == 1;
  if (length < 0 && !is_in) {
    malformed("a buffer of " + std::to_string(length) + " bytes cannot follow");
    return false;
  }
  const std::int32_t packets = header.number_of_packets;
  auto& in = incoming_;
  in.urb = urbs_.take();
  in.seqnum = Seqnum(header.basic.seqnum);
  in.number_of_packets = packets;
  in.iso_packets = 0;
  in.refusal.reset();
  usb::UrbData& urb = *in.urb;
  urb.endpoint =
      EndpointAddress(static_cast<std::uint8_t>(number), is_in ? Direction::In : Direction::Out);
  urb.flags = decode_flags(header.transfer_flags);
  urb.setup = header.setup;
  urb.interval = static_cast<std::uint32_t>(std::max(0, std::int32_t{header.interval}));
  urb.start_frame = header.start_frame;
  if (length < 0) {
    in.refusal = Status::InvalidArgument;
  } else {
    urb.length = static_cast<std::uint32_t>(length);
  }

  const auto& model = lease_->device().model();
  const auto* endpoint = model.endpoint(urb.endpoint);
  const bool packets_plausible =
      packets > 0 && packets <= static_cast<std::int32_t>(kMaxIsoPackets);
  if (endpoint != nullptr) {
    urb.type = endpoint->type;
  } else {
    // Not there now. Perhaps it was a moment ago, in another alternate setting: then its type still
    // tells whether descriptors follow. Else only the packet count can.
    in.refusal = Status::Killed;
    urb.type = model.type_in_any_setting(urb.endpoint)
                   .value_or(packets_plausible ? TransferType::Isochronous : TransferType::Bulk);
  }
  if (urb.type == TransferType::Isochronous) {
    if (packets > static_cast<std::int32_t>(kMaxIsoPackets)) {
      malformed(std::to_string(packets) + " isochronous packets are more than " +
                std::to_string(kMaxIsoPackets));
      return false;
    }
    if (packets > 0) in.iso_packets = static_cast<std::uint32_t>(packets);
    if (packets < -1 && !in.refusal) in.refusal = Status::InvalidArgument;
  } else if (urb.type == TransferType::Control && !in.refusal) {
    in.refusal = judge_control(urb.setup, is_in, urb.length);
  }
  if (urb.length > std::min<std::size_t>(limits_.transfer, limits_.memory))
    in.refusal = Status::NoMemory;
  state_ = State::AdmitSubmit;
  return true;
}

/// What an URB counts against the ceiling while it is pending.
std::size_t UsbipServer::weight_of_incoming() const {
  return incoming_.urb->length + kUrbOverhead + incoming_.iso_packets * kIsoPacketOverhead;
}

bool UsbipServer::admit_submit() {
  auto& in = incoming_;
  usb::UrbData& urb = *in.urb;
  const bool has_data = !urb.is_in() && urb.length > 0;
  if (!in.refusal) {
    const std::size_t in_use = memory_in_use();
    if (in_use > 0 && in_use + weight_of_incoming() > limits_.memory) {
      if (!deadline_) deadline_ = kStampLater;
      held_up_ = true;
      return false;
    }
    if (has_data) {
      urb.payload = lease_->device().allocate(urb.length);
      if (!urb.payload) in.refusal = Status::NoMemory;
    }
  }
  deadline_.reset();
  state_ = State::OutData;
  if (has_data && in.refusal) {
    receiver_.skip(urb.length);
  } else {
    // Nothing of a message without data: the next is probably one, too.
    receiver_.fill(urb.payload.first(has_data ? urb.length : 0));
  }
  return true;
}

void UsbipServer::read_iso_descriptors() {
  state_ = State::IsoDescriptors;
  iso_wire_.resize(incoming_.iso_packets);
  if (!iso_wire_.empty()) receiver_.fill(std::as_writable_bytes(std::span(iso_wire_)));
}

// ---- Submitting and answering
// -----------------------------------------------------------------------

void UsbipServer::submit() {
  state_ = State::UrbHeader;
  auto& in = incoming_;
  const Seqnum seqnum = in.seqnum;
  const auto slot = pending_.add(seqnum, weight_of_incoming());
  if (!slot) {
    malformed("seqnum " + std::to_string(seqnum.value()) + " is pending already");
    return;
  }
  Urb urb = std::move(in.urb);
  const bool is_iso = urb->type == TransferType::Isochronous;
  auto& pending = pending_[*slot];
  pending.length = urb->length;
  pending.number_of_packets = in.number_of_packets;
  pending.is_in = urb->is_in();
  pending.is_iso = is_iso;
  for (const auto& descriptor : iso_wire_) {
    auto packet = decode_iso(descriptor);
    packet.actual_length = 0;
    urb->iso_packets.push_back(packet);
  }
  if (is_iso && !in.refusal && check_iso_layout(urb->iso_packets, urb->length)) {
    in.refusal = Status::InvalidArgument;
  }
  if (unplugged_) in.refusal = Status::DeviceGone;
  take_held_unlinks(seqnum, pending);
  const bool unlinked = !pending.unlinks.empty();
  urb.push_sink(*this, *slot);
  if (in.refusal) {
    urb.complete(*in.refusal, 0);
    return;
  }
  pending.handle = urb.handle();
  lease_->device().submit(std::move(urb));
  if (!unlinked) return;
  if (const auto still = pending_.find(seqnum)) {
    lease_->device().cancel(pending_[*still].handle);
  }
}

void UsbipServer::unlink(const CmdUnlink& header) {
  const auto slot = pending_.find(Seqnum(header.unlink_seqnum));
  if (!slot && is_ahead_of_its_target(header)) {
    held_unlinks_.push_back({Seqnum(header.basic.seqnum), Seqnum(header.unlink_seqnum)});
    if (!held_until_) held_until_ = kStampLater;
    return;
  }
  if (!slot) {
    // Done, and its RET_SUBMIT is queued already, or never seen.
    put_unlink_reply(Seqnum(header.basic.seqnum), 0);
    return;
  }
  auto& pending = pending_[*slot];
  pending.unlinks.push_back(Seqnum(header.basic.seqnum));
  ++unlinks_waiting_;
  if (pending.unlinks.size() == 1) lease_->device().cancel(pending.handle);
}

/// True when the SUBMIT of this UNLINK is still to come. vhci_tx sends all submits, then all
/// unlinks; when both are queued by another CPU between the two, the unlink goes first. Its target
/// is then newer than any SUBMIT seen, and older than the UNLINK itself: both numbers come from one
/// counter. Answering now would let vhci give the URB back, and our later RET_SUBMIT would cost it
/// the port.
bool UsbipServer::is_ahead_of_its_target(const CmdUnlink& header) const {
  if (!last_submit_) return false;
  const std::uint32_t since_submit = header.unlink_seqnum - *last_submit_;
  const std::uint32_t until_unlink = header.basic.seqnum - header.unlink_seqnum;
  return is_later(since_submit) && is_later(until_unlink) && held_unlinks_.size() < kMaxHeldUnlinks;
}

/// Hands the URB that is being submitted the UNLINKs that overtook it, and answers those whose
/// targets cannot come any more, because newer ones have.
void UsbipServer::take_held_unlinks(Seqnum submitted, PendingUrb& pending) {
  last_submit_ = submitted.value();
  if (held_unlinks_.empty()) return;
  std::erase_if(held_unlinks_, [&](const HeldUnlink& held) {
    if (held.target == submitted) {
      pending.unlinks.push_back(held.seqnum);
      ++unlinks_waiting_;
      return true;
    }
    if (is_later(held.target.value() - submitted.value())) return false;
    put_unlink_reply(held.seqnum, 0);
    return true;
  });
  if (held_unlinks_.empty()) held_until_.reset();
}

void UsbipServer::answer_held_unlinks() {
  held_until_.reset();
  for (const auto& held : held_unlinks_) put_unlink_reply(held.seqnum, 0);
  held_unlinks_.clear();
}

void UsbipServer::on_completed(Urb urb, std::uint64_t cookie) {
  const auto slot = static_cast<PendingUrbs::Slot>(cookie);
  auto& pending = pending_[slot];
  if (state_ != State::Ending) {
    const bool cancelled = !pending.unlinks.empty() && outcome_is_cancel(urb->status);
    if (!cancelled) put_reply(pending, std::move(urb));
    for (const auto seqnum : pending.unlinks) {
      put_unlink_reply(seqnum, cancelled ? encode_status(Status::Cancelled) : 0);
    }
  }
  if (state_ == State::AdmitSubmit) deadline_.reset();  // Something moved.
  unlinks_waiting_ -= pending.unlinks.size();
  pending_.remove(slot);
  process_if_held_up();
  changed();
}

void UsbipServer::put_reply(const PendingUrb& pending, Urb urb) {
  RetSubmit reply{.basic = {.command = static_cast<std::uint32_t>(Command::RetSubmit),
                            .seqnum = pending.seqnum.value()},
                  .status = encode_status(urb->status),
                  .start_frame = urb->start_frame,
                  .number_of_packets = pending.number_of_packets};
  // A device that says it moved more than was asked for, or than it gave, is not believed.
  std::uint32_t moved = std::min(urb->actual_length, pending.length);
  if (pending.is_iso) {
    moved = 0;
    std::uint32_t errors = 0;
    for (auto& packet : urb->iso_packets) {
      packet.actual_length = std::min(packet.actual_length, packet.length);
      if (pending.is_in && urb->payload.capacity() < pending.length) packet.actual_length = 0;
      moved += packet.actual_length;
      if (packet.status != Status::Ok) ++errors;
    }
    reply.error_count = static_cast<std::int32_t>(errors);
  } else if (pending.is_in) {
    moved = std::min(moved, urb->payload.capacity());
  }
  const bool has_data = pending.is_in && moved > 0;
  reply.actual_length = static_cast<std::int32_t>(moved);
  sender_.put_struct(reply);
  if (has_data) {
    if (pending.is_iso) pack_iso(urb->payload.first(pending.length), urb->iso_packets);
    sender_.put_payload(std::move(urb->payload), moved);
  }
  if (pending.is_iso) {
    for (const auto& packet : urb->iso_packets) sender_.put_struct(encode_iso(packet));
  }
}

void UsbipServer::put_unlink_reply(Seqnum seqnum, std::int32_t status) {
  sender_.put_struct(RetUnlink{.basic = {.command = static_cast<std::uint32_t>(Command::RetUnlink),
                                         .seqnum = seqnum.value()},
                               .status = status});
}

}  // namespace periprox::session
