// How it works: every CMD gets a Slot, and its seqnum names the slot and the slot's generation. A
// reply is checked against what the slot remembers; data is read straight into the URB's payload.
// A slot whose URB was given back by RET_UNLINK (or by our own patience) stays Retired for a while,
// because some servers still send the RET_SUBMIT, with data that must be read away.
#include "periprox/session/usbip_client.hpp"

#include <algorithm>
#include <utility>

#include "periprox/session/descriptor_fetch.hpp"
#include "periprox/usb/status.hpp"

namespace periprox::session {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file
using usb::Status;
using usb::TransferType;
using usb::Urb;

namespace {

constexpr std::size_t kMaxSlots = 0xffff;
constexpr std::size_t kMaxRetired = 1024;
/// A deadline whose start is "now", which only woken() is told: wake_at() asks for that at once.
constexpr TimePoint kStampLater = TimePoint::min();

}  // namespace

UsbipClient::UsbipClient(std::string busid, TimePoint now, ClientLimits limits)
    : busid_(std::move(busid)), limits_(limits), open_deadline_(now + limits.open_timeout) {
  sender_.put_struct(ImportRequest{.busid = make_name<kBusIdSize>(busid_)});
}

UsbipClient::UsbipClient(std::uint32_t devid, usb::Speed speed, TimePoint now, ClientLimits limits)
    : limits_(limits), open_deadline_(now + limits.open_timeout) {
  address_.busnum = static_cast<std::uint16_t>(devid >> 16);
  address_.devnum = static_cast<std::uint16_t>(devid);
  address_.busid = std::to_string(address_.busnum) + "-" + std::to_string(address_.devnum);
  record_.speed = static_cast<std::uint32_t>(speed);
  begin_urbs();
}

UsbipClient::~UsbipClient() {
  gone_ = {};
  ready_ = {};
  fetch_.reset();
  end(std::nullopt);
}

// ---- The pump's side --------------------------------------------------------------------------------

std::span<const MutableBytes> UsbipClient::receive_into() {
  if (state_ == State::Ended) return {};
  return receiver_.places();
}

void UsbipClient::received(std::size_t count, TimePoint /*now*/) {
  in_call_ = true;
  receiver_.advance(count);
  process();
  in_call_ = false;
}

void UsbipClient::receive_ended(std::optional<Error> error) {
  if (!error && state_ != State::Ended) {
    error = Error{Error::Kind::Gone, "the server closed the connection",
                  "the device was unplugged there, or the server was stopped", {}};
  }
  end(std::move(error));
}

std::optional<TimePoint> UsbipClient::wake_at() const {
  std::optional<TimePoint> when = open_deadline_;
  if (!unlinks_.empty()) {
    const auto deadline = slots_[unlinks_.front().first].unlink_deadline;
    when = when ? std::min(*when, deadline) : deadline;
  }
  return when;
}

void UsbipClient::woken(TimePoint now) {
  in_call_ = true;
  if (open_deadline_ && now >= *open_deadline_) {
    open_deadline_.reset();
    if (fetch_) {
      fetch_->give_up();
    } else {
      end(Error{Error::Kind::Failed, "the server did not answer", "no reply in time",
                "check the address and that a USB/IP server runs there"});
    }
  }
  for (std::size_t i = unlinks_.size(); i > 0 && !unlinks_.empty(); --i) {
    const auto [slot, generation] = unlinks_.pop();
    auto& unlink = slots_[slot];
    if (unlink.kind != Slot::Kind::Unlink || unlink.generation != generation) continue;
    if (unlink.unlink_deadline == kStampLater) unlink.unlink_deadline = now + limits_.unlink_timeout;
    if (now < unlink.unlink_deadline) {
      unlinks_.push({slot, generation});
      continue;
    }
    const auto target = unlink.unlink_target;
    const bool waiting = slots_[target].kind == Slot::Kind::Urb &&
                         slots_[target].generation == unlink.target_generation;
    free_slot(slot);  // An answer that still comes names a generation that is over.
    if (waiting) {
      auto urb = std::move(slots_[target].urb);
      retire(target);
      --pending_;
      urb.complete(Status::Cancelled, 0);
    }
  }
  in_call_ = false;
}

void UsbipClient::close() {
  end(std::nullopt);
  changed();
}

// ---- Reading ----------------------------------------------------------------------------------------

void UsbipClient::process() {
  while (state_ != State::Ended && receiver_.filled() && step()) {
  }
}

bool UsbipClient::step() {
  switch (state_) {
    case State::OpHeader:
      return read_op_header();
    case State::ImportBody:
      return read_import_body();
    case State::RetHeader:
      return read_ret_header();
    case State::InData:
      begin_iso_descriptors();
      return true;
    case State::IsoDescriptors:
      deliver();
      return true;
    case State::Ended:
      return false;
  }
  return false;
}

bool UsbipClient::read_op_header() {
  const auto header = receiver_.take<OpHeader>();
  if (!header) return false;
  if (header->version != kVersion || header->code != static_cast<std::uint16_t>(OpCode::ImportReply)) {
    malformed("this is no reply to an import; version " + std::to_string(header->version) + ", code " +
              std::to_string(header->code));
    return false;
  }
  if (header->status != 0) {
    const auto kind = header->status == static_cast<std::uint32_t>(OpStatus::DeviceBusy)
                          ? Error::Kind::Busy
                          : Error::Kind::NotFound;
    end(Error{kind, "the server refuses to export " + busid_, op_status_text(header->status),
              "`periprox list` with the server's address shows what it offers"});
    return false;
  }
  state_ = State::ImportBody;
  return true;
}

bool UsbipClient::read_import_body() {
  const auto record = receiver_.take<DeviceRecord>();
  if (!record) return false;
  const auto busid = name_in(record->busid);
  if (!busid || *busid != busid_) {
    malformed("the reply names another bus id than the one asked for");
    return false;
  }
  if (!usb::speed_from_code(record->speed)) {
    malformed("speed " + std::to_string(record->speed) + " does not exist");
    return false;
  }
  if (record->busnum > 0xffff || record->devnum > 0xffff) {
    malformed("bus or device number out of range");
    return false;
  }
  record_ = *record;
  address_ = {.path = std::string(name_in(record->path).value_or("")),
              .busid = busid_,
              .busnum = static_cast<std::uint16_t>(record->busnum),
              .devnum = static_cast<std::uint16_t>(record->devnum)};
  begin_urbs();
  return true;
}

void UsbipClient::begin_urbs() {
  state_ = State::RetHeader;
  std::optional<std::uint8_t> active;
  if (!busid_.empty()) active = record_.bConfigurationValue;
  fetch_ = std::make_unique<DescriptorFetch>(*this, *usb::speed_from_code(record_.speed), active);
  fetch_->start([this](Result<usb::DeviceModel> model) {
    if (model) {
      model_ = std::move(*model);
      opened({});
    } else {
      end(std::move(model).error());
    }
  });
}

void UsbipClient::opened(Result<void> result) {
  open_deadline_.reset();
  if (const auto ready = std::exchange(ready_, {})) ready(std::move(result));
}

bool UsbipClient::read_ret_header() {
  message_offset_ = receiver_.offset();
  if (receiver_.staged() < kHeaderSize) return false;
  const auto header = *receiver_.take<RetSubmit>();
  switch (decode_command(header.basic.command).value_or(Command::CmdSubmit)) {
    case Command::RetSubmit:
      return read_ret_submit(header);
    case Command::RetUnlink:
      read_ret_unlink(std::bit_cast<RetUnlink>(header));
      return true;
    case Command::CmdSubmit:
    case Command::CmdUnlink:
      break;
  }
  malformed("command " + std::to_string(header.basic.command) + " is none that a server sends");
  return false;
}

bool UsbipClient::read_ret_submit(const RetSubmit& header) {
  const auto found = find(header.basic.seqnum);
  const auto* slot = found ? &slots_[*found] : nullptr;
  if (slot == nullptr || (slot->kind != Slot::Kind::Urb && slot->kind != Slot::Kind::Retired)) {
    // How much data follows depends on what was asked, which nobody knows: only an answer without
    // any can be skipped.
    if (header.actual_length == 0 && header.number_of_packets <= 0) return true;
    malformed("a reply to seqnum " + std::to_string(header.basic.seqnum) + ", which is not pending");
    return false;
  }
  const std::int32_t actual = header.actual_length;
  if (actual < 0 || (slot->is_in && static_cast<std::uint32_t>(actual) > slot->length)) {
    malformed("a reply of " + std::to_string(actual) + " bytes to a request of " +
              std::to_string(slot->length));
    return false;
  }
  if (slot->is_iso && header.number_of_packets != static_cast<std::int32_t>(slot->packets)) {
    malformed("a reply with " + std::to_string(header.number_of_packets) +
              " isochronous packets to a request of " + std::to_string(slot->packets));
    return false;
  }
  incoming_.header = header;
  incoming_.slot = *found;
  incoming_.generation = slot->generation;
  incoming_.packets = slot->packets;
  incoming_.actual_length = std::min(static_cast<std::uint32_t>(actual), slot->length);
  incoming_.payload.reset();
  state_ = State::InData;
  if (!slot->is_in || actual == 0) {
    receiver_.fill({});
    return true;
  }
  if (slot->kind == Slot::Kind::Retired) {
    receiver_.skip(incoming_.actual_length);
    return true;
  }
  auto& own = slots_[*found].urb->payload;
  const std::uint32_t needed = slot->is_iso ? slot->length : incoming_.actual_length;
  incoming_.payload = own.capacity() >= needed ? std::move(own) : payloads_.allocate(needed);
  if (incoming_.payload) {
    receiver_.fill(incoming_.payload.first(incoming_.actual_length));
  } else {
    receiver_.skip(incoming_.actual_length);
  }
  return true;
}

void UsbipClient::begin_iso_descriptors() {
  state_ = State::IsoDescriptors;
  if (incoming_.packets == 0) return;
  iso_received_.resize(incoming_.packets);
  receiver_.fill(std::as_writable_bytes(std::span(iso_received_)));
}

void UsbipClient::deliver() {
  state_ = State::RetHeader;
  auto& slot = slots_[incoming_.slot];
  // It may have been given back meanwhile, and its slot to another URB.
  if (slot.kind != Slot::Kind::Urb || slot.generation != incoming_.generation) {
    incoming_.payload.reset();
    return;
  }
  auto& urb = *slot.urb;
  auto status = decode_status(incoming_.header.status);
  urb.start_frame = incoming_.header.start_frame;
  const bool lost_data = slot.is_in && incoming_.actual_length > 0 && !incoming_.payload;
  if (incoming_.payload) urb.payload = std::move(incoming_.payload);
  if (lost_data) {
    status = Status::NoMemory;
    incoming_.actual_length = 0;
  } else if (slot.is_iso && !take_iso_results(urb)) {
    status = Status::ProtocolError;
    incoming_.actual_length = 0;
  }
  if (urb.type == TransferType::Control && status == Status::Ok) note_setting(urb.setup);
  finish(incoming_.slot, status, incoming_.actual_length);
}

/// Takes over what happened to each packet. Offset and length stay those that were submitted,
/// whatever the reply says; false when the reply contradicts itself.
bool UsbipClient::take_iso_results(usb::UrbData& urb) {
  std::uint64_t sum = 0;
  bool sound = true;
  urb.error_count = 0;
  for (std::size_t i = 0; i < urb.iso_packets.size(); ++i) {
    auto& packet = urb.iso_packets[i];
    const auto result = decode_iso(iso_received_[i]);
    packet.status = result.status;
    packet.actual_length = result.actual_length;
    if (result.status != Status::Ok) ++urb.error_count;
    if (result.actual_length > packet.length) sound = false;
    sum += result.actual_length;
  }
  if (sum != incoming_.actual_length) sound = false;
  if (!sound) {
    for (auto& packet : urb.iso_packets) {
      packet.actual_length = 0;
      packet.status = Status::ProtocolError;
    }
    urb.error_count = static_cast<std::uint32_t>(urb.iso_packets.size());
    return false;
  }
  if (urb.is_in() && sum > 0) unpack_iso(urb.payload.first(urb.length), urb.iso_packets);
  return true;
}

void UsbipClient::read_ret_unlink(const RetUnlink& header) {
  const auto found = find(header.basic.seqnum);
  if (!found || slots_[*found].kind != Slot::Kind::Unlink) return;  // Late, or nonsense: harmless.
  const auto target = slots_[*found].unlink_target;
  const bool waiting = slots_[target].kind == Slot::Kind::Urb &&
                       slots_[target].generation == slots_[*found].target_generation;
  free_slot(*found);
  if (!waiting) return;
  // The server is done with it and sends no RET_SUBMIT, whatever the status: some report the URB's
  // own status here and lose the data.
  auto urb = std::move(slots_[target].urb);
  retire(target);
  --pending_;
  urb.complete(Status::Cancelled, 0);
}

// ---- usb::Device --------------------------------------------------------------------------------------

void UsbipClient::submit(Urb urb) {
  if (state_ == State::Ended) {
    urb.complete(Status::DeviceGone, 0);
    return;
  }
  if (urb->type == TransferType::Control && urb->setup.is_set_address()) {
    urb.complete(Status::Ok, 0);  // The address on the server's bus is not ours to give.
    return;
  }
  const bool usable = urb->endpoint.number() == 0 || model_.endpoint(urb->endpoint) != nullptr;
  if (!usable) {
    urb.complete(Status::Killed, 0);
    return;
  }
  const bool is_iso = urb->type == TransferType::Isochronous;
  if (is_iso && (urb->iso_packets.size() > kMaxIsoPackets || check_iso_layout(urb->iso_packets, urb->length))) {
    urb.complete(Status::InvalidArgument, 0);
    return;
  }
  const auto number = take_slot();
  if (!number) {
    urb.complete(Status::NoMemory, 0);
    return;
  }
  auto& slot = slots_[*number];
  slot.kind = Slot::Kind::Urb;
  slot.is_in = urb->is_in();
  slot.is_iso = is_iso;
  slot.length = urb->length;
  slot.packets = is_iso ? static_cast<std::uint32_t>(urb->iso_packets.size()) : 0;
  slot.unlinked = false;
  slot.submission = ++submissions_;
  urb.set_device_note(seqnum_of(*number));
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
                             .seqnum = seqnum_of(number),
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
    const auto interval = urb.interval != 0 || endpoint == nullptr ? urb.interval : endpoint->interval;
    header.interval = static_cast<std::int32_t>(std::clamp<std::uint32_t>(interval, 1, 1U << 15));
  }

  iso_to_send_.clear();
  std::uint32_t packed = 0;
  const bool compact = slot.is_iso && !slot.is_in;
  for (auto packet : urb.iso_packets) {
    packet.actual_length = packet.length;
    // OUT data goes without gaps: usbipd-win insists that the lengths add up to the buffer's.
    if (compact) packet.offset = std::exchange(packed, packed + packet.length);
    auto descriptor = encode_iso(packet);
    descriptor.actual_length = std::uint32_t{0};
    descriptor.status = kIsoStatusAtSubmit;
    iso_to_send_.push_back(descriptor);
  }
  if (compact) {
    for (auto& packet : urb.iso_packets) packet.actual_length = packet.length;
    if (urb.payload) pack_iso(urb.payload.first(urb.length), urb.iso_packets);
    length = packed;
  }
  header.transfer_buffer_length = static_cast<std::int32_t>(length);
  sender_.put_struct(header);
  if (!slot.is_in) sender_.put_payload(std::move(urb.payload), length);
  if (slot.is_iso) sender_.put(std::as_bytes(std::span(iso_to_send_)));
}

void UsbipClient::cancel(usb::UrbHandle urb) {
  const auto found = find(static_cast<std::uint32_t>(urb.device_note()));
  if (!found || slots_[*found].kind != Slot::Kind::Urb || slots_[*found].unlinked) return;
  const auto number = take_slot();
  if (!number) return;  // All 65535 are in use; the URB ends by its own answer or with the session.
  auto& unlink = slots_[*number];
  auto& target = slots_[*found];
  target.unlinked = true;
  unlink.kind = Slot::Kind::Unlink;
  unlink.unlink_target = *found;
  unlink.target_generation = target.generation;
  unlink.unlink_deadline = kStampLater;
  unlinks_.push({*number, unlink.generation});
  sender_.put_struct(CmdUnlink{.basic = {.command = static_cast<std::uint32_t>(Command::CmdUnlink),
                                         .seqnum = seqnum_of(*number),
                                         .devid = address_.devid()},
                               .unlink_seqnum = seqnum_of(*found)});
  changed();
}

void UsbipClient::on_gone(std::function<void()> handler) {
  if (state_ == State::Ended) {
    handler();
  } else {
    gone_ = std::move(handler);
  }
}

/// Keeps the model in step with requests that changed the device.
void UsbipClient::note_setting(const usb::SetupPacket& setup) {
  if (setup.is_set_configuration()) {
    model_.set_configuration(static_cast<std::uint8_t>(setup.wValue));
  } else if (setup.is_set_interface()) {
    model_.set_interface(static_cast<std::uint8_t>(setup.wIndex), static_cast<std::uint8_t>(setup.wValue));
  } else if (setup.is_port_reset()) {
    model_.reset_alternate_settings();
  }
}

// ---- Slots ----------------------------------------------------------------------------------------------

std::optional<std::uint16_t> UsbipClient::take_slot() {
  std::uint16_t number = 0;
  if (!free_slots_.empty()) {
    number = free_slots_.back();
    free_slots_.pop_back();
  } else if (slots_.size() < kMaxSlots) {
    number = static_cast<std::uint16_t>(slots_.size());
    slots_.emplace_back();
  } else {
    return std::nullopt;
  }
  // Generation 0 is never used, so that no seqnum is 0.
  auto& generation = slots_[number].generation;
  if (++generation == 0) ++generation;
  return number;
}

void UsbipClient::free_slot(std::uint16_t number) {
  slots_[number].kind = Slot::Kind::Free;
  free_slots_.push_back(number);
}

void UsbipClient::retire(std::uint16_t number) {
  slots_[number].kind = Slot::Kind::Retired;
  retired_.push(number);
  if (retired_.size() > kMaxRetired) free_slot(retired_.pop());
}

/// The slots whose URBs are on their way, in the order in which those were submitted.
std::vector<std::uint16_t> UsbipClient::urb_slots_in_order() const {
  std::vector<std::uint16_t> numbers;
  numbers.reserve(pending_);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].kind == Slot::Kind::Urb) numbers.push_back(static_cast<std::uint16_t>(i));
  }
  std::ranges::sort(numbers, {}, [this](std::uint16_t number) { return slots_[number].submission; });
  return numbers;
}

std::uint32_t UsbipClient::seqnum_of(std::uint16_t number) const {
  return std::uint32_t{slots_[number].generation} << 16 | number;
}

std::optional<std::uint16_t> UsbipClient::find(std::uint32_t seqnum) const {
  const auto number = static_cast<std::uint16_t>(seqnum);
  if (number >= slots_.size() || slots_[number].generation != seqnum >> 16) return std::nullopt;
  return number;
}

void UsbipClient::finish(std::uint16_t number, Status status, std::uint32_t actual_length) {
  auto urb = std::move(slots_[number].urb);
  free_slot(number);
  --pending_;
  urb.complete(status, actual_length);
}

// ---- Ends -----------------------------------------------------------------------------------------------

void UsbipClient::malformed(std::string why) {
  end(Error{Error::Kind::Malformed, "malformed message at offset " + std::to_string(message_offset_),
            std::move(why), {}});
}

/// Gives back everything that is pending, then tells. The payload that the link may be reading into
/// at this moment stays in incoming_.
void UsbipClient::end(std::optional<Error> failure) {
  if (state_ == State::Ended) return;
  state_ = State::Ended;
  failure_ = std::move(failure);
  open_deadline_.reset();
  while (!unlinks_.empty()) unlinks_.pop();
  for (const auto number : urb_slots_in_order()) {
    slots_[number].kind = Slot::Kind::Retired;
    --pending_;
    auto urb = std::move(slots_[number].urb);
    urb.complete(Status::DeviceGone, 0);
  }
  if (const auto ready = std::exchange(ready_, {})) {
    ready(tl::make_unexpected(
        failure_.value_or(Error{Error::Kind::Failed, "the import was given up", "it was closed", {}})));
  }
  if (const auto gone = std::exchange(gone_, {})) gone();
}

void UsbipClient::changed() {
  if (!in_call_ && waker_ != nullptr) waker_->wake();
}

}  // namespace periprox::session
