// The life of a session, and its management phase; ring_client_device.cpp has the URBs.
#include "periprox/session/ring_client.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "periprox/session/descriptor_fetch.hpp"
#include "periprox/session/devlist_client.hpp"
#include "periprox/session/urb_checks.hpp"

namespace periprox::session {

using namespace wire::ring;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

/// Room for a list of about 700 devices.
constexpr std::uint32_t kListRoom = 256 << 10;

constexpr std::uint32_t code(ImporterState state) { return static_cast<std::uint32_t>(state); }

}  // namespace

RingClient::RingClient(const RingMemory& memory, std::uint32_t epoch, TimePoint now,
                       RingLimits limits)
    : memory_(memory),
      epoch_(epoch == 0 ? 1 : epoch),
      limits_(limits),
      next_beat_(now),
      open_deadline_(now + limits.open_timeout) {}

RingClient::~RingClient() {
  gone_ = {};
  on_listed_ = {};
  on_imported_ = {};
  fetch_.reset();
  end(std::nullopt);
}

// ---- The pump's side
// ------------------------------------------------------------------------------

bool RingClient::poll(TimePoint now) {
  in_call_ = true;
  polled_at_ = now;
  if (open_deadline_ && now >= *open_deadline_) {
    open_deadline_.reset();
    if (fetch_) {
      fetch_->give_up();
    } else {
      end(Error{Error::Kind::Failed, "the exporter did not answer", "no reply in time",
                "check that `periprox serve` runs there"});
    }
  }
  if (state_ == State::Looking) look_for_rival(now);
  bool moved = state_ == State::Joining && try_to_join();
  if (state_ == State::Joined) moved |= watch_exporter(now);
  if (state_ == State::Joined) {
    moved |= take_entries();
    moved |= send_cancels();
    start_waiting();
    give_up_late_cancels(now);
  }
  if (state_ != State::Ended && now >= next_beat_) {
    if (state_ != State::Looking) {
      memory_.control().importer.heartbeat.fetch_add(1, std::memory_order_relaxed);
    }
    next_beat_ = now + limits_.heartbeat;
  }
  in_call_ = false;
  return moved;
}

bool RingClient::must_ring_doorbell() {
  const bool told = std::exchange(state_changed_, false);
  return (port_ && port_->must_ring_doorbell()) || told;
}

std::optional<TimePoint> RingClient::wake_at() const {
  if (state_ == State::Ended) return std::nullopt;
  auto when = next_beat_;
  if (open_deadline_) when = std::min(when, *open_deadline_);
  if (rival_) when = std::min(when, rival_->until);
  // Room may become free without a sign: somebody drops a payload.
  if (!waiting_.empty()) when = std::min(when, polled_at_ + std::chrono::milliseconds(1));
  return when;
}

void RingClient::peer_gone(std::optional<Error> error) {
  if (!error) {
    error = Error{Error::Kind::Gone,
                  "the exporter closed the ring",
                  "the device was unplugged there, or the server was stopped",
                  {}};
  }
  end(std::move(error));
}

// ---- Joining
// ----------------------------------------------------------------------------------------

/// An importer that lives is left alone; one that is dead, or nobody, is followed.
void RingClient::look_for_rival(TimePoint now) {
  const auto& place = memory_.control().importer;
  const auto heartbeat = place.heartbeat.load(std::memory_order_relaxed);
  if (!rival_) {
    const auto state = place.state.load(std::memory_order_acquire);
    const bool occupied =
        state == code(ImporterState::Joining) || state == code(ImporterState::Connected);
    if (!occupied) return announce();
    rival_ = Rival{heartbeat, now + limits_.heartbeat * 5 / 2};
  } else if (heartbeat != rival_->heartbeat) {
    end(Error{Error::Kind::Busy, "cannot join the ring", "another importer uses it", {}});
  } else if (now >= rival_->until) {
    rival_.reset();
    announce();
  }
}

void RingClient::announce() {
  auto& own = memory_.control().importer;
  own.epoch.store(epoch_, std::memory_order_relaxed);
  own.features.store(kFeatures, std::memory_order_relaxed);
  own.state.store(code(ImporterState::Joining), std::memory_order_release);
  state_ = State::Joining;
  state_changed_ = true;
}

bool RingClient::try_to_join() {
  auto& control = memory_.control();
  const auto state =
      static_cast<ExporterState>(control.exporter.state.load(std::memory_order_acquire));
  if (state != ExporterState::Connected ||
      control.exporter.answers.load(std::memory_order_relaxed) != epoch_) {
    return false;
  }
  auto layout = decode_header(control.header.load(), memory_.bytes.size());
  if (!layout) {
    end(std::move(layout).error());
    return true;
  }
  layout_ = *layout;
  joined_ = control.exporter.epoch.load(std::memory_order_relaxed);
  seen_heartbeat_ = control.exporter.heartbeat.load(std::memory_order_relaxed);
  alive_at_ = {};
  port_.emplace(memory_, layout_, RingPort::Side::Importer);
  arena_.emplace(memory_, layout_);
  slots_.resize(layout_.urb_slots);
  control.importer.answers.store(joined_, std::memory_order_relaxed);
  control.importer.state.store(code(ImporterState::Connected), std::memory_order_release);
  state_ = State::Joined;
  if (question_) send_question();
  return true;
}

/// Looks whether the exporter lives and is still the one that was joined.
bool RingClient::watch_exporter(TimePoint now) {
  const auto& theirs = memory_.control().exporter;
  const auto state = static_cast<ExporterState>(theirs.state.load(std::memory_order_acquire));
  if (state != ExporterState::Connected ||
      theirs.epoch.load(std::memory_order_relaxed) != joined_ ||
      theirs.answers.load(std::memory_order_relaxed) != epoch_) {
    // What was completed before the end is still in the ring.
    while (state_ == State::Joined && take_entries()) {
    }
    peer_gone(std::nullopt);
    return true;
  }
  const auto heartbeat = theirs.heartbeat.load(std::memory_order_relaxed);
  if (heartbeat != seen_heartbeat_ || alive_at_ == TimePoint{}) {
    seen_heartbeat_ = heartbeat;
    alive_at_ = now;
  } else if (now - alive_at_ >= limits_.silence) {
    end(Error{Error::Kind::Gone, "the exporter is gone", "its heartbeat has stopped", {}});
    return true;
  }
  return false;
}

bool RingClient::take_entries() {
  bool moved = false;
  for (int i = 0; i < kRingBatch && state_ == State::Joined; ++i) {
    const auto entry = port_->take();
    if (!entry) break;
    take(*entry);
    moved = true;
  }
  port_->release_taken();
  if (!port_->fault().empty()) fault(std::string(port_->fault()));
  return moved;
}

void RingClient::take(const Entry& entry) {
  switch (kind_of(entry)) {
    case Kind::Completed:
      return completed(entry);
    case Kind::Listed:
    case Kind::Imported:
      return answered(entry);
    case Kind::LinkNow:
      link_state_ = static_cast<LinkState>(std::uint32_t{entry.value});
      if (link_state_ == LinkState::Disconnected) {
        end(Error{Error::Kind::Gone, "the device is gone", "it was unplugged", {}});
      }
      return;
    case Kind::Submit:
    case Kind::Cancel:
    case Kind::List:
    case Kind::Import:
    case Kind::Link:
      break;
  }
  fault("an entry of kind " + std::to_string(entry.kind) + " is none that an exporter puts");
}

void RingClient::request_link_state(LinkState state) {
  if (state_ != State::Joined || !port_->has_room()) return;
  port_->put(
      {.kind = static_cast<std::uint16_t>(Kind::Link), .value = static_cast<std::uint32_t>(state)});
  changed();
}

// ---- Asking for a device
// --------------------------------------------------------------------------

void RingClient::list(std::function<void(Result<std::vector<ListedDevice>>)> done) {
  on_listed_ = std::move(done);
  ask({.kind = Kind::List});
}

void RingClient::import(std::string busid, std::function<void(Result<void>)> done) {
  on_imported_ = std::move(done);
  ask({.kind = Kind::Import, .busid = std::move(busid)});
}

void RingClient::ask(Question question) {
  question_ = std::move(question);
  if (state_ == State::Joined) send_question();
  changed();
}

void RingClient::send_question() {
  auto& question = *question_;
  const std::uint32_t length = question.kind == Kind::List ? kListRoom : 4096;
  question.room = arena_->allocate(
      static_cast<std::uint32_t>(std::min<std::uint64_t>(layout_.arena_size / 2, length)));
  if (!question.room || !port_->has_room()) {
    fault("its arena is too small for a question");
    return;
  }
  port_->put({.kind = static_cast<std::uint16_t>(question.kind),
              .length = question.room.capacity(),
              .payload = arena_->offset_of(question.room),
              .busid = wire::usbip::make_name<wire::usbip::kBusIdSize>(question.busid)});
  question.is_sent = true;
}

void RingClient::answered(const Entry& entry) {
  const auto asked = kind_of(entry) == Kind::Listed ? Kind::List : Kind::Import;
  if (!question_ || !question_->is_sent || question_->kind != asked) {
    return fault("an answer comes to what was not asked");
  }
  const auto room = std::move(question_->room);
  if (entry.actual_length > room.capacity()) return fault("an answer is larger than its room");
  // Parsed from a copy that nobody changes meanwhile.
  const auto shared = room.first(entry.actual_length);
  const std::vector<std::byte> reply(shared.begin(), shared.end());
  if (asked == Kind::List) {
    question_.reset();
    open_deadline_.reset();
    listed(parse_devlist(reply));
  } else {
    open(reply);
  }
}

void RingClient::listed(Result<std::vector<ListedDevice>> result) {
  if (const auto call = std::exchange(on_listed_, {})) call(std::move(result));
}

void RingClient::imported(Result<void> result) {
  open_deadline_.reset();
  if (const auto call = std::exchange(on_imported_, {})) call(std::move(result));
}

void RingClient::open(Bytes reply) {
  const auto busid = std::exchange(question_, {})->busid;
  ByteReader reader(reply);
  const auto header = reader.take<wire::usbip::OpHeader>();
  if (header && header->status != 0) {
    const auto status = std::uint32_t{header->status};
    const auto kind = status == static_cast<std::uint32_t>(wire::usbip::OpStatus::DeviceBusy)
                          ? Error::Kind::Busy
                          : Error::Kind::NotFound;
    imported(fail(kind, "the server refuses to export " + busid,
                  wire::usbip::op_status_text(status),
                  "`periprox list` with the server's address shows what it offers"));
    return;
  }
  const auto record = reader.take<wire::usbip::DeviceRecord>();
  if (!record) return fault("its answer to IMPORT is cut off");
  const auto address = decode_import(*record, busid);
  if (!address) return fault(address.error().why);
  fetch_ = std::make_unique<DescriptorFetch>(*this, *usb::speed_from_code(record->speed),
                                             record->bConfigurationValue);
  fetch_->start([this](Result<usb::DeviceModel> model) {
    if (model) {
      model_ = std::move(*model);
      imported({});
    } else {
      end(std::move(model).error());
    }
  });
}

// ---- Ends
// -------------------------------------------------------------------------------------------

void RingClient::fault(std::string why) {
  end(Error{
      Error::Kind::Malformed, "the exporter broke the rules of the ring", std::move(why), {}});
}

/// Gives back everything that is pending, then tells.
void RingClient::end(std::optional<Error> failure) {
  if (state_ == State::Ended) return;
  const bool was_announced = state_ != State::Looking;
  state_ = State::Ended;
  failure_ = std::move(failure);
  open_deadline_.reset();
  if (was_announced && memory_.control().importer.epoch.load(std::memory_order_relaxed) == epoch_) {
    memory_.control().importer.state.store(code(ImporterState::Left), std::memory_order_release);
    state_changed_ = true;
  }
  for (auto* slot : slots_.in_order()) {
    if (slot->kind != RingClientSlot::Kind::Urb) continue;  // A completion may change others.
    slots_.retire(*slot).complete(usb::Status::DeviceGone, 0);
  }
  for (auto waiting = std::exchange(waiting_, {}); !waiting.empty(); waiting.pop_front()) {
    waiting.front().complete(usb::Status::DeviceGone, 0);
  }
  const auto error =
      failure_.value_or(Error{Error::Kind::Failed, "the import was given up", "it was closed", {}});
  listed(tl::make_unexpected(error));
  imported(tl::make_unexpected(error));
  if (const auto gone = std::exchange(gone_, {})) gone();
  changed();
}

/// Tells the pump, unless it is in a call and looks by itself.
void RingClient::changed() {
  if (!in_call_ && waker_ != nullptr) waker_->wake();
}

}  // namespace periprox::session
