#include "periprox/emulated/storage.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace periprox::emulated {
namespace {

constexpr usb::ClassCode kScsiBulkOnly{0x08, 0x06, 0x50};
constexpr std::uint8_t kGetMaxLun = 0xfe;
constexpr std::uint8_t kMassStorageReset = 0xff;
constexpr std::uint8_t kBurst = 16;  // Packets in a row at SuperSpeed.

/// Valid and meaningful (6.2): the right size and signature, a unit that there is, a command block
/// of a length that there is, no reserved bit.
bool is_meaningful(const CommandBlockWrapper& wrapper) {
  return wrapper.dCBWSignature == kCbwSignature && (wrapper.bmCBWFlags & 0x7f) == 0 &&
         wrapper.bCBWLUN == 0 && wrapper.bCBWCBLength >= 1 &&
         wrapper.bCBWCBLength <= wrapper.CBWCB.size();
}

std::uint64_t length_of(const scsi::Action& action) {
  if (const auto* data = std::get_if<scsi::DataIn>(&action)) return data->bytes.size();
  if (const auto* read = std::get_if<scsi::Read>(&action)) return read->length;
  if (const auto* write = std::get_if<scsi::Write>(&action)) return write->length;
  return 0;
}

}  // namespace

Storage::Storage(ScsiDisk disk, Surroundings surroundings)
    : disk_(std::move(disk)), surroundings_(std::move(surroundings)) {}

// --- Both endpoints ------------------------------------------------------------------------------
//
// Answering a transfer may bring in the host's next one at once, so each answer is the last thing
// that a function does.

void Storage::take(OutTransfer transfer) {
  switch (phase_) {
    case Phase::Command:
      return take_command(std::move(transfer));
    case Phase::DataOut:
      return take_data(std::move(transfer));
    case Phase::Broken:
      return transfer.stall();
    default:
      waiting_out_ = std::move(transfer);
  }
}

void Storage::give(InTransfer transfer) {
  switch (phase_) {
    case Phase::DataIn:
      return give_data(std::move(transfer));
    case Phase::StallIn:
      phase_ = Phase::Status;
      return transfer.stall();
    case Phase::Status:
      return give_status(std::move(transfer));
    case Phase::Broken:
      return transfer.stall();
    default:
      waiting_in_ = std::move(transfer);
  }
}

/// Goes on with what a transfer was waiting for.
void Storage::answer_waiting() {
  const bool moves_in = phase_ == Phase::DataIn || phase_ == Phase::StallIn ||
                        phase_ == Phase::Status || phase_ == Phase::Broken;
  if (moves_in && waiting_in_.pending()) return give(std::move(waiting_in_));
  const bool moves_out = phase_ == Phase::Command || phase_ == Phase::DataOut;
  if (moves_out && waiting_out_.pending()) take(std::move(waiting_out_));
}

// --- Command -------------------------------------------------------------------------------------

void Storage::take_command(OutTransfer transfer) {
  const auto self = shared_from_this();
  const auto wrapper = read_as<CommandBlockWrapper>(transfer.data());
  if (!wrapper || transfer.data().size() != sizeof(*wrapper) || !is_meaningful(*wrapper)) {
    phase_ = Phase::Broken;
    transfer.accept_then_halt();
  } else if (begin(*wrapper)) {
    transfer.accept_then_halt();
  } else {
    transfer.accept();
  }
  answer_waiting();
}

bool Storage::begin(const CommandBlockWrapper& wrapper) {
  ++generation_;
  tag_ = wrapper.dCBWTag;
  host_length_ = wrapper.dCBWDataTransferLength;
  moved_ = processed_ = 0;
  image_ = disk_.image();
  action_ = disk_.execute(Bytes(wrapper.CBWCB).first(wrapper.bCBWCBLength));
  device_length_ = length_of(action_);

  const bool device_has_data = device_length_ > 0;
  const bool failed = std::holds_alternative<scsi::Failed>(action_);
  status_ = failed ? Status::Failed : Status::Passed;
  if (host_length_ == 0) {
    if (device_has_data) {  // Cases 2 and 3.
      finish(Status::PhaseError);
    } else if (std::holds_alternative<scsi::Flush>(action_) && image_ != nullptr) {
      begin_flush();
    } else {  // Case 1.
      finish(status_);
    }
    return false;
  }
  if ((wrapper.bmCBWFlags & 0x80) != 0) return begin_in();
  return begin_out(device_has_data);
}

/// The host expects data.
bool Storage::begin_in() {
  if (std::holds_alternative<scsi::Write>(action_) && device_length_ > 0) {  // Case 8.
    status_ = Status::PhaseError;
    phase_ = Phase::StallIn;
  } else if (device_length_ == 0) {  // Case 4.
    phase_ = Phase::StallIn;
  } else {  // Cases 5, 6 and 7.
    if (device_length_ > host_length_) status_ = Status::PhaseError;
    phase_ = Phase::DataIn;
  }
  return false;
}

/// The host wants to send data.
bool Storage::begin_out(bool device_has_data) {
  const bool writes = std::holds_alternative<scsi::Write>(action_);
  if (device_has_data && (!writes || device_length_ > host_length_)) {  // Cases 10 and 13.
    finish(Status::PhaseError);
    return true;
  }
  if (!device_has_data) {  // Case 9.
    finish(status_);
    return true;
  }
  phase_ = Phase::DataOut;  // Cases 11 and 12.
  return false;
}

/// Flushing may take its time, and other devices share the loop.
void Storage::begin_flush() {
  phase_ = Phase::Working;
  auto flushed = std::make_shared<bool>(false);
  run_blocking(
      surroundings_, [image = image_, flushed] { *flushed = image->flush(); },
      [weak = weak_from_this(), flushed, generation = generation_] {
        const auto self = weak.lock();
        if (self == nullptr || self->generation_ != generation) return;
        if (!*flushed) self->disk_.fail_with(scsi::kWriteError);
        self->finish(*flushed ? Status::Passed : Status::Failed);
        self->answer_waiting();
      });
}

// --- Data ----------------------------------------------------------------------------------------

void Storage::take_data(OutTransfer transfer) {
  const auto& write = std::get<scsi::Write>(action_);
  const auto data = transfer.data();
  const auto self = shared_from_this();
  // More than the host announced is refused after what it announced.
  const auto wanted = std::min<std::uint64_t>(data.size(), device_length_ - moved_);
  if (status_ == Status::Passed && wanted > 0) {
    if (image_->write(write.position + moved_, data.first(wanted))) {
      processed_ += static_cast<std::uint32_t>(wanted);
    } else {
      disk_.fail_with(scsi::kWriteError);
      status_ = Status::Failed;
    }
  }
  moved_ += static_cast<std::uint32_t>(wanted);
  const bool has_all = moved_ == device_length_;
  const bool host_goes_on = wanted < data.size();
  const bool ended_early = !has_all && transfer.ends_short();
  if (has_all || ended_early) phase_ = Phase::Status;
  if (host_goes_on) {  // Case 11, within one transfer.
    transfer.accept_then_stall(static_cast<std::uint32_t>(wanted));
  } else if (has_all && moved_ < host_length_) {  // Case 11, the rest in another one.
    transfer.accept_then_halt();
  } else {
    transfer.accept();
  }
  answer_waiting();
}

void Storage::give_data(InTransfer transfer) {
  const auto end = std::min<std::uint64_t>(device_length_, host_length_);
  const auto count =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(transfer.length(), end - moved_));
  const auto room = transfer.reserve(count);
  if (room.size() != count || !fill(room)) {
    disk_.fail_with(scsi::kReadError);
    finish(Status::Failed);
    return transfer.stall();
  }
  moved_ += count;
  processed_ = moved_;
  if (moved_ == end) phase_ = Phase::Status;
  if (moved_ == end && moved_ < host_length_) return transfer.send_reserved_then_stall(count);
  transfer.send_reserved(count);
}

/// The next bytes for the host, read straight into the memory of its URB.
bool Storage::fill(MutableBytes room) const {
  if (room.empty()) return true;
  if (const auto* read = std::get_if<scsi::Read>(&action_)) {
    return image_->read(read->position + moved_, room);
  }
  const auto& bytes = std::get<scsi::DataIn>(action_).bytes;
  std::memcpy(room.data(), bytes.data() + moved_, room.size());
  return true;
}

// --- Status --------------------------------------------------------------------------------------

void Storage::give_status(InTransfer transfer) {
  const CommandStatusWrapper status{.dCSWSignature = kCswSignature,
                                    .dCSWTag = tag_,
                                    .dCSWDataResidue = host_length_ - processed_,
                                    .bCSWStatus = static_cast<std::uint8_t>(status_)};
  const auto self = shared_from_this();
  phase_ = Phase::Command;
  image_.reset();
  transfer.send(bytes_of(status));
  answer_waiting();
}

// --- Resets --------------------------------------------------------------------------------------

/// Bulk-Only Mass Storage Reset (3.1): ready for the next CBW; halts stay.
void Storage::mass_storage_reset() {
  ++generation_;
  phase_ = Phase::Command;
  disk_.reset();
}

void Storage::reset() {
  mass_storage_reset();
  waiting_in_ = {};
  waiting_out_ = {};
}

Function storage_function(const std::shared_ptr<Storage>& storage, Place place) {
  const auto reset = [storage](ControlTransfer t) {
    if (t.setup().wValue != 0 || t.setup().wLength != 0) return t.stall();
    storage->mass_storage_reset();
    t.accept();
  };
  const auto max_lun = [](ControlTransfer t) {
    if (t.setup().wValue != 0 || t.setup().wLength != 1) return t.stall();
    t.send(bytes_of(std::uint8_t{0}));
  };
  auto in =
      bulk_in(place.endpoint_number, [storage](InTransfer t) { storage->give(std::move(t)); });
  auto out =
      bulk_out(place.endpoint_number, [storage](OutTransfer t) { storage->take(std::move(t)); });
  in.packets = out.packets = kBurst;
  return {
      .name = "Disk",
      .interfaces = {{
          .settings = {{.class_code = kScsiBulkOnly, .endpoints = {std::move(in), std::move(out)}}},
          .requests = {class_in(kGetMaxLun, max_lun), class_out(kMassStorageReset, reset)},
      }},
      .on_reset = [storage] { storage->reset(); },
      .on_configuration = [storage](std::uint8_t) { storage->reset(); },
  };
}

}  // namespace periprox::emulated
