// How it works: every CMD gets a Slot, and its seqnum names the slot and the slot's generation. A
// reply is checked against what the slot remembers; data is read straight into the URB's payload.
// A slot whose URB was given back by RET_UNLINK (or by our own patience) stays Retired for a while,
// because some servers still send the RET_SUBMIT, with data that must be read away.
#include "periprox/session/usbip_client.hpp"

#include <algorithm>
#include <utility>

#include "periprox/session/descriptor_fetch.hpp"
#include "periprox/session/import_reply.hpp"
#include "periprox/session/urb_checks.hpp"
#include "periprox/usb/status.hpp"
#include "periprox/wire/export_line.hpp"

namespace periprox::session {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file
using usb::Status;
using usb::TransferType;
using usb::Urb;

UsbipClient::UsbipClient(std::string busid, TimePoint now, ClientLimits limits)
    : busid_(std::move(busid)), limits_(limits), open_deadline_(now + limits.open_timeout) {
  sender_.put_struct(ImportRequest{.busid = make_name<kBusIdSize>(busid_)});
}

UsbipClient::UsbipClient(std::uint32_t devid, usb::Speed speed, TimePoint now, ClientLimits limits)
    : limits_(limits), open_deadline_(now + limits.open_timeout) {
  set_place(devid, speed);
  begin_urbs();
}

UsbipClient::UsbipClient(TimePoint now, ClientLimits limits)
    : limits_(limits), state_(State::ExportLine), open_deadline_(now + limits.open_timeout) {}

UsbipClient::~UsbipClient() {
  gone_ = {};
  ready_ = {};
  fetch_.reset();
  end(std::nullopt);
}

// ---- The pump's side
// --------------------------------------------------------------------------------

std::span<const MutableBytes> UsbipClient::receive_into() {
  if (state_ == State::Ended) return {};
  return receiver_.places();
}

void UsbipClient::received(std::size_t count) {
  in_call_ = true;
  receiver_.advance(count);
  process();
  in_call_ = false;
}

void UsbipClient::receive_ended(std::optional<Error> error) {
  if (!error && state_ == State::ExportLine) {
    error = Error{Error::Kind::NotFound, "the exporter ended before it announced a device",
                  "it refused, or it could not start",
                  "its own messages, on its standard error, say why"};
  }
  if (!error && state_ != State::Ended) {
    error = Error{Error::Kind::Gone,
                  "the server closed the connection",
                  "the device was unplugged there, or the server was stopped",
                  {}};
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
    if (unlink.kind != ClientSlot::Kind::Unlink || unlink.generation != generation) continue;
    if (unlink.unlink_deadline == kStampLater)
      unlink.unlink_deadline = now + limits_.unlink_timeout;
    if (now < unlink.unlink_deadline) {
      unlinks_.push({slot, generation});
      continue;
    }
    const auto target = slots_.target_of(unlink);
    slots_.free(slot);  // An answer that still comes names a generation that is over.
    if (target) give_up(*target);
  }
  in_call_ = false;
}

void UsbipClient::close() {
  end(std::nullopt);
  changed();
}

// ---- Reading
// ----------------------------------------------------------------------------------------

void UsbipClient::process() {
  while (state_ != State::Ended && receiver_.filled() && step()) {
  }
}

bool UsbipClient::step() {
  switch (state_) {
    case State::ExportLine:
      return read_export_line();
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

bool UsbipClient::read_export_line() {
  const auto text = receiver_.take_line();
  if (!text) {
    if (receiver_.staged() >= wire::kLongestExportLine) {
      malformed("no line of text announces a device");
    }
    return false;
  }
  const auto line = wire::decode_export_line(*text);
  if (!line) {
    end(line.error());
    return false;
  }
  set_place(line->devid, line->speed);
  begin_urbs();
  return true;
}

/// What is known of a device that no reply to an import described.
void UsbipClient::set_place(std::uint32_t devid, usb::Speed speed) {
  address_.busnum = static_cast<std::uint16_t>(devid >> 16);
  address_.devnum = static_cast<std::uint16_t>(devid);
  address_.busid = std::to_string(address_.busnum) + "-" + std::to_string(address_.devnum);
  record_.speed = static_cast<std::uint32_t>(speed);
}

bool UsbipClient::read_op_header() {
  const auto header = receiver_.take<OpHeader>();
  if (!header) return false;
  if (auto why = judge_import_header(*header)) {
    malformed(std::move(*why));
    return false;
  }
  if (header->status != 0) {
    end(import_refused(busid_, header->status));
    return false;
  }
  state_ = State::ImportBody;
  return true;
}

bool UsbipClient::read_import_body() {
  const auto record = receiver_.take<DeviceRecord>();
  if (!record) return false;
  auto address = decode_import(*record, busid_);
  if (!address) {
    malformed(std::move(address).error().why);
    return false;
  }
  record_ = *record;
  address_ = std::move(*address);
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
  const auto found = slots_.find(header.basic.seqnum);
  const auto* slot = found ? &slots_[*found] : nullptr;
  if (slot == nullptr ||
      (slot->kind != ClientSlot::Kind::Urb && slot->kind != ClientSlot::Kind::Retired)) {
    // How much data follows depends on what was asked, which nobody knows: only an answer without
    // any can be skipped.
    if (header.actual_length == 0 && header.number_of_packets <= 0) return true;
    malformed("a reply to seqnum " + std::to_string(header.basic.seqnum) +
              ", which is not pending");
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
  if (slot->kind == ClientSlot::Kind::Retired) {
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
  if (slot.kind != ClientSlot::Kind::Urb || slot.generation != incoming_.generation) {
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
  } else if (slot.is_iso && !take_iso(urb)) {
    status = Status::ProtocolError;
    incoming_.actual_length = 0;
  }
  if (urb.type == TransferType::Control && status == Status::Ok) note_setting(model_, urb.setup);
  finish(incoming_.slot, status, incoming_.actual_length);
}

bool UsbipClient::take_iso(usb::UrbData& urb) {
  iso_results_.clear();
  for (const auto& descriptor : iso_received_) iso_results_.push_back(decode_iso(descriptor));
  if (!take_iso_results(urb, iso_results_, incoming_.actual_length)) return false;
  if (urb.is_in() && incoming_.actual_length > 0) {
    unpack_iso(urb.payload.first(urb.length), urb.iso_packets);
  }
  return true;
}

void UsbipClient::read_ret_unlink(const RetUnlink& header) {
  const auto found = slots_.find(header.basic.seqnum);
  if (!found || slots_[*found].kind != ClientSlot::Kind::Unlink)
    return;  // Late, or nonsense: harmless.
  const auto target = slots_.target_of(slots_[*found]);
  slots_.free(*found);
  // The server is done with it and sends no RET_SUBMIT, whatever the status: some report the URB's
  // own status here and lose the data.
  if (target) give_up(*target);
}

/// Gives an URB back without the server's answer; that may still come.
void UsbipClient::give_up(std::uint16_t number) {
  auto urb = std::move(slots_[number].urb);
  slots_.retire(number);
  --pending_;
  urb.complete(Status::Cancelled, 0);
}

void UsbipClient::finish(std::uint16_t number, Status status, std::uint32_t actual_length) {
  auto urb = std::move(slots_[number].urb);
  slots_.free(number);
  --pending_;
  urb.complete(status, actual_length);
}

// ---- Ends
// -----------------------------------------------------------------------------------------------

void UsbipClient::malformed(std::string why) {
  end(Error{Error::Kind::Malformed,
            "malformed message at offset " + std::to_string(message_offset_),
            std::move(why),
            {}});
}

/// Gives back everything that is pending, then tells. The payload that the link may be reading into
/// at this moment stays in incoming_.
void UsbipClient::end(std::optional<Error> failure) {
  if (state_ == State::Ended) return;
  state_ = State::Ended;
  failure_ = std::move(failure);
  open_deadline_.reset();
  while (!unlinks_.empty()) unlinks_.pop();
  for (const auto number : slots_.urbs_in_order()) {
    slots_[number].kind = ClientSlot::Kind::Retired;
    --pending_;
    auto urb = std::move(slots_[number].urb);
    urb.complete(Status::DeviceGone, 0);
  }
  if (const auto ready = std::exchange(ready_, {})) {
    ready(tl::make_unexpected(failure_.value_or(
        Error{Error::Kind::Failed, "the import was given up", "it was closed", {}})));
  }
  if (const auto gone = std::exchange(gone_, {})) gone();
}

void UsbipClient::changed() {
  if (!in_call_ && waker_ != nullptr) waker_->wake();
}

}  // namespace periprox::session
