// The life of a session, and its management phase; ring_server_urbs.cpp has the URBs.
#include "periprox/session/ring_server.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "periprox/session/urb_checks.hpp"

namespace periprox::session {

using namespace wire::ring;  // NOLINT(google-build-using-namespace): the language of this file
using wire::usbip::OpStatus;

namespace {

/// How long an importer is served whose device is gone, so that it hears of it in order.
constexpr auto kGoneLinger = std::chrono::seconds(1);

std::uint32_t code(ExporterState state) { return static_cast<std::uint32_t>(state); }

}  // namespace

RingServer::RingServer(const RingMemory& memory, const Layout& layout, Exports& exports,
                       std::string peer, TimePoint now, bool patient, RingLimits limits)
    : memory_(memory),
      layout_(layout),
      exports_(exports),
      peer_(std::move(peer)),
      limits_(limits),
      port_(memory, layout, RingPort::Side::Exporter),
      arena_(memory, layout),
      next_beat_(now),
      slots_(layout.urb_slots),
      self_(std::make_shared<RingServer*>(this)) {
  if (!patient) deadline_ = now + limits.open_timeout;
  format(layout);
}

RingServer::~RingServer() {
  *self_ = nullptr;
  end(std::nullopt);
  waker_ = nullptr;
  // Normally nothing is pending: the pump waits for finished(). The device must not be left with a
  // way back to a session that is gone; the arena stays mapped as long as it has an URB in it.
  for (const auto& slot : slots_) {
    if (slot.is_taken && slot.handle) slot.handle.forget_sink(*this);
  }
}

void RingServer::format(const Layout& layout) {
  auto& control = memory_.control();
  auto& own = control.exporter;
  own.state.store(code(ExporterState::Absent), std::memory_order_release);
  served_before_ = own.answers.load(std::memory_order_relaxed);
  control.header.store(encode_header(layout));
  control.submissions_in.tail = 0;
  control.submissions_out.head = 0;
  control.submissions_out.sleeping = 0;
  control.completions_in.tail = 0;
  control.completions_out.head = 0;
  control.completions_out.sleeping = 0;
  const std::uint32_t epoch = own.epoch.load(std::memory_order_relaxed) + 1;
  own.epoch.store(epoch == 0 ? 1 : epoch, std::memory_order_relaxed);
  own.features.store(kFeatures, std::memory_order_relaxed);
  own.state.store(code(ExporterState::Ready), std::memory_order_release);
}

// ---- The pump's side
// ------------------------------------------------------------------------------

bool RingServer::poll(TimePoint now) {
  in_call_ = true;
  bool moved = state_ != State::Ended && watch_importer(now);
  if (state_ != State::Offered && state_ != State::Ended) moved |= take_entries();
  if (state_ != State::Ended) moved |= send_backlog();
  in_call_ = false;
  return moved;
}

bool RingServer::must_ring_doorbell() {
  const bool told = std::exchange(state_changed_, false);
  return port_.must_ring_doorbell() || told;
}

std::optional<TimePoint> RingServer::wake_at() const {
  if (state_ == State::Ended) return std::nullopt;
  return deadline_ ? std::min(next_beat_, *deadline_) : next_beat_;
}

void RingServer::peer_gone(std::optional<Error> error) { end(std::move(error)); }

/// Shows that we live, and looks whether the importer does.
bool RingServer::watch_importer(TimePoint now) {
  if (now >= next_beat_) {
    memory_.control().exporter.heartbeat.fetch_add(1, std::memory_order_relaxed);
    next_beat_ = now + limits_.heartbeat;
  }
  if (deadline_ && now >= *deadline_) {
    end(Error{Error::Kind::Failed, "the importer asked for nothing", "no request in time", {}});
    return true;
  }
  if (state_ == State::Offered) return try_to_join(now);
  if (is_gone_ && !gone_until_) gone_until_ = now + kGoneLinger;
  if (gone_until_ && now >= *gone_until_) {
    end(std::nullopt);
    return true;
  }

  const auto& theirs = memory_.control().importer;
  const auto state = static_cast<ImporterState>(theirs.state.load(std::memory_order_acquire));
  if (theirs.epoch.load(std::memory_order_relaxed) != joined_) {
    end(Error{Error::Kind::Gone, "the importer is gone", "another one has joined", {}});
    return true;
  }
  if (state != ImporterState::Joining && state != ImporterState::Connected) {
    end(std::nullopt);
    return true;
  }
  const auto heartbeat = theirs.heartbeat.load(std::memory_order_relaxed);
  if (heartbeat != seen_heartbeat_) {
    seen_heartbeat_ = heartbeat;
    alive_at_ = now;
  } else if (now - alive_at_ >= limits_.silence) {
    end(Error{Error::Kind::Gone, "the importer is gone", "its heartbeat has stopped", {}});
    return true;
  }
  return false;
}

bool RingServer::try_to_join(TimePoint now) {
  auto& control = memory_.control();
  const auto state =
      static_cast<ImporterState>(control.importer.state.load(std::memory_order_acquire));
  const auto epoch = control.importer.epoch.load(std::memory_order_relaxed);
  // The dead importer of the session before may still stand there as Joining.
  if (state != ImporterState::Joining || epoch == 0 || epoch == served_before_) return false;
  joined_ = epoch;
  seen_heartbeat_ = control.importer.heartbeat.load(std::memory_order_relaxed);
  alive_at_ = now;
  deadline_ = now + limits_.open_timeout;
  state_ = State::Asked;
  control.exporter.answers.store(epoch, std::memory_order_relaxed);
  control.exporter.state.store(code(ExporterState::Connected), std::memory_order_release);
  state_changed_ = true;
  return true;
}

bool RingServer::take_entries() {
  bool moved = false;
  // An importer that does not take our answers is not read: the backlog stays bounded.
  for (int i = 0; i < kRingBatch && backlog_.empty() && state_ != State::Ended; ++i) {
    const auto entry = port_.take();
    if (!entry) break;
    take(*entry);
    moved = true;
  }
  port_.release_taken();
  if (!port_.fault().empty()) fault(std::string(port_.fault()));
  return moved;
}

void RingServer::take(const Entry& entry) {
  switch (kind_of(entry)) {
    case Kind::Submit:
      return submit(entry);
    case Kind::Cancel:
      return cancel(entry);
    case Kind::List:
      return list(entry);
    case Kind::Import:
      return import(entry);
    case Kind::Link:
      // A usb::Device cannot suspend its link: the answer is the state that it has.
      return put_link(is_gone_ ? LinkState::Disconnected : LinkState::U0);
    case Kind::Completed:
    case Kind::Listed:
    case Kind::Imported:
    case Kind::LinkNow:
      break;
  }
  fault("an entry of kind " + std::to_string(entry.kind) + " is none that an importer puts");
}

// ---- Asking for a device
// --------------------------------------------------------------------------

void RingServer::list(const Entry& entry) {
  if (!layout_.arena_holds(entry.payload, entry.length)) {
    return fault("room for an answer lies outside the arena");
  }
  if (deadline_) deadline_.reset();
  answer({entry.tag, entry.payload, entry.length}, Kind::Listed, encode_devlist(exports_.list()));
}

void RingServer::import(const Entry& entry) {
  if (!layout_.arena_holds(entry.payload, entry.length)) {
    return fault("room for an answer lies outside the arena");
  }
  const auto busid = wire::usbip::name_in(entry.busid);
  if (!busid) return fault("the bus id has no end");
  if (state_ != State::Asked) return fault("an IMPORT follows another one");
  deadline_.reset();
  state_ = State::Claiming;
  claim_room_ = {entry.tag, entry.payload, entry.length};
  exports_.claim(*busid, peer_, [self = self_](Exports::ClaimResult result) {
    if (*self != nullptr) (*self)->claimed(std::move(result));
  });
}

void RingServer::claimed(Exports::ClaimResult result) {
  if (state_ != State::Claiming) return;  // The importer left meanwhile; the lease goes back.
  wire::usbip::ImportReply reply;
  if (const auto* status = std::get_if<OpStatus>(&result)) {
    state_ = State::Asked;
    reply.header.status = static_cast<std::uint32_t>(*status);
    answer(claim_room_, Kind::Imported, bytes_of(reply.header));
  } else {
    lease_.emplace(std::move(std::get<Lease>(result)));
    state_ = State::Urbs;
    reply.device = wire::usbip::encode_device(lease_->address(), lease_->device().model());
    answer(claim_room_, Kind::Imported, bytes_of(reply));
    lease_->device().on_gone([self = self_] {
      if (*self != nullptr) (*self)->device_gone();
    });
  }
  changed();
}

void RingServer::answer(const Room& room, Kind kind, Bytes reply) {
  Entry entry{.kind = static_cast<std::uint16_t>(kind), .tag = room.tag};
  if (reply.size() <= room.length) {
    std::memcpy(arena_.at(room.offset, reply.size()).data(), reply.data(), reply.size());
    entry.actual_length = static_cast<std::uint32_t>(reply.size());
  } else {
    entry.status = wire::usbip::encode_status(usb::Status::TooLarge);
  }
  put(entry);
}

// ---- Answers and ends
// -----------------------------------------------------------------------------

void RingServer::put(const Entry& entry) {
  if (backlog_.empty() && port_.has_room()) {
    port_.put(entry);
  } else {
    backlog_.push(entry);
  }
}

bool RingServer::send_backlog() {
  bool moved = false;
  for (; !backlog_.empty() && port_.has_room(); moved = true) port_.put(backlog_.pop());
  if (!port_.fault().empty()) fault(std::string(port_.fault()));
  return moved;
}

void RingServer::put_link(LinkState state) {
  put({.kind = static_cast<std::uint16_t>(Kind::LinkNow),
       .value = static_cast<std::uint32_t>(state)});
}

/// Everything pending was completed by the device. The importer hears it after those, and leaves.
void RingServer::device_gone() {
  is_gone_ = true;
  if (state_ != State::Urbs) return;
  put_link(LinkState::Disconnected);
  changed();
}

void RingServer::fault(std::string why) {
  end(Error{
      Error::Kind::Malformed, "the importer broke the rules of the ring", std::move(why), {}});
}

void RingServer::end(std::optional<Error> failure) {
  if (state_ == State::Ended) return;
  state_ = State::Ended;
  failure_ = std::move(failure);
  deadline_.reset();
  memory_.control().exporter.state.store(code(ExporterState::Ended), std::memory_order_release);
  state_changed_ = true;
  // A completion may come at once and change other slots too.
  for (std::size_t i = 0; i < slots_.size() && pending_ > 0; ++i) {
    if (slots_[i].is_taken && slots_[i].handle) lease_->device().cancel(slots_[i].handle);
  }
  changed();
}

/// Tells the pump, unless it is in a call and looks by itself.
void RingServer::changed() {
  if (!in_call_ && waker_ != nullptr) waker_->wake();
}

}  // namespace periprox::session
