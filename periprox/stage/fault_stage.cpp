#include "periprox/stage/fault_stage.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace periprox::stage {
namespace {

using usb::Status;
using usb::TransferType;

/// Answers within answers, before the event loop gets its turn.
constexpr int kDeepest = 16;
/// The cookie of URBs that are ours alone; the numbers of the host's start at 1.
constexpr std::uint64_t kCopy = 0;

bool is_isochronous(const usb::UrbData& urb) { return urb.type == TransferType::Isochronous; }

/// Calls `visit` with each piece of the data that means something.
template <typename Visit>
void each_piece(const usb::UrbData& urb, Visit visit) {
  if (!urb.payload) return;
  if (!is_isochronous(urb)) {
    visit(urb.data());
    return;
  }
  for (const auto& packet : urb.iso_packets) {
    const auto length = urb.is_in() ? packet.actual_length : packet.length;
    if (packet.offset + std::uint64_t{length} <= urb.payload.capacity())
      visit(urb.payload.first(packet.offset + length).subspan(packet.offset));
  }
}

std::size_t data_size(const usb::UrbData& urb) {
  std::size_t size = 0;
  each_piece(urb, [&size](MutableBytes piece) { size += piece.size(); });
  return size;
}

std::string milliseconds(Duration duration) {
  const auto micro = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  auto fraction = std::to_string(micro % 1000);
  return std::to_string(micro / 1000) + "." + std::string(3 - fraction.size(), '0') + fraction +
         " ms";
}

}  // namespace

FaultStage::FaultStage(std::shared_ptr<usb::Device> device, FaultOptions options, Timers& timers)
    : device_(std::move(device)),
      options_(std::move(options)),
      timers_(timers),
      free_at_(options_.rules.size()) {
  device_->on_gone([self = self_] {
    if (*self == nullptr) return;
    (*self)->let_all_go(Status::DeviceGone);
    (*self)->tell_gone();
  });
}

FaultStage::~FaultStage() {
  *self_ = nullptr;
  is_unplugged_ = true;
  if (timer_) timers_.cancel(*timer_);
  device_.reset();
  let_all_go(Status::DeviceGone);
}

const usb::DeviceModel& FaultStage::model() const {
  return device_ ? device_->model() : *last_model_;
}

Payload FaultStage::allocate(std::uint32_t size) {
  return device_ ? device_->allocate(size) : Payload{};
}

void FaultStage::on_gone(std::function<void()> handler) {
  gone_handler_ = std::move(handler);
  if (is_gone_) tell_gone();
}

std::size_t FaultStage::place_of(usb::EndpointAddress endpoint) {
  // Control transfers of both directions wait in one line.
  return endpoint.number() == 0 ? 0 : endpoint.index();
}

void FaultStage::submit(usb::Urb urb) {
  if (is_unplugged_) {
    urb.complete(Status::DeviceGone, 0);
    return;
  }
  if (urb->type == TransferType::Control) {
    const auto& setup = urb->setup;
    // What the device gives back now must not wait behind what a rule keeps.
    if (setup.is_port_reset() || setup.is_set_configuration() || setup.is_set_interface())
      let_all_go(Status::Cancelled);
  }
  const auto place = place_of(urb->endpoint);
  Entry entry{.number = ++last_number_, .handle = urb.handle(), .has_memory = bool(urb->payload)};
  entry.urb = std::move(urb);
  bool is_kept = play_again(entry);
  for (std::size_t i = 0; i < options_.rules.size() && !is_kept; ++i) {
    const auto& rule = options_.rules[i];
    if (!rule.fits(*entry.urb) || !(*options_.dice)[i].strikes(rule, entry.urb->endpoint)) continue;
    is_kept = act_before(entry, i);
  }
  auto below = is_kept ? usb::Urb{} : std::move(entry.urb);
  const auto number = entry.number;
  queues_[place].push_back(std::move(entry));
  if (below) {
    below.push_sink(*this, number);
    device_->submit(std::move(below));
  } else {
    deliver(place);
  }
}

bool FaultStage::act_before(Entry& entry, std::size_t rule) {
  auto& urb = *entry.urb;
  const auto& wish = options_.rules[rule];
  switch (wish.action) {
    case Action::Stall:
    case Action::Error:
      urb.status = wish.action == Action::Stall ? Status::Stalled : wish.status;
      urb.actual_length = 0;
      for (auto& packet : urb.iso_packets) packet.status = urb.status;
      urb.error_count = static_cast<std::uint32_t>(urb.iso_packets.size());
      say(rule, entry.handle, std::string(usb::status_name(urb.status)));
      return true;
    case Action::Drop:
      entry.is_dropped = true;
      say(rule, entry.handle, "never answered");
      return true;
    case Action::Disconnect:
      entry.is_dropped = true;
      say(rule, entry.handle, "the device goes away");
      pause_ = wish.duration;
      call_later({}, &FaultStage::tell_when_empty);
      is_unplugged_ = true;
      return true;
    case Action::Duplicate:
      if (urb.is_in() && urb.type != TransferType::Control) break;
      say(rule, entry.handle, "sent to the device twice");
      submit_twice(urb);
      return false;
    case Action::Corrupt:
      if (urb.is_in()) break;
      corrupt(entry, rule);
      return false;
    default:
      break;
  }
  entry.strikes.push_back(rule);
  return false;
}

void FaultStage::act_after(Entry& entry, std::size_t rule) {
  auto& urb = *entry.urb;
  const auto& wish = options_.rules[rule];
  auto& dice = (*options_.dice)[rule];
  const auto now = std::max(entry.due, timers_.now());
  switch (wish.action) {
    case Action::Delay:
      entry.due = now + wish.duration;
      say(rule, entry.handle, "answered " + milliseconds(wish.duration) + " later");
      break;
    case Action::Jitter: {
      const auto most = static_cast<std::uint64_t>(wish.duration.count());
      const Duration late(static_cast<std::int64_t>(dice.below(most, urb.endpoint)));
      entry.due = now + late;
      say(rule, entry.handle, "answered " + milliseconds(late) + " later");
      break;
    }
    case Action::Slow: {
      const auto seconds =
          static_cast<double>(urb.actual_length) / static_cast<double>(wish.amount);
      const Duration takes(static_cast<std::int64_t>(std::min(seconds, 86'400.0) * 1e9));
      free_at_[rule] = std::max(now, free_at_[rule]) + takes;
      entry.due = free_at_[rule];
      say(rule, entry.handle, "slowed down by " + milliseconds(entry.due - now));
      break;
    }
    case Action::Truncate:
      if (is_isochronous(urb) || urb.actual_length <= wish.amount) break;
      say(rule, entry.handle,
          std::to_string(urb.actual_length) + " bytes cut to " + std::to_string(wish.amount));
      urb.actual_length = static_cast<std::uint32_t>(wish.amount);
      break;
    case Action::Corrupt:
      corrupt(entry, rule);
      break;
    case Action::Duplicate:
      if (is_isochronous(urb) || data_size(urb) == 0) break;
      say(rule, entry.handle, "this data comes again");
      again_[place_of(urb.endpoint)].emplace(urb.data().begin(), urb.data().end());
      break;
    case Action::Reorder: {
      auto& queue = queues_[place_of(urb.endpoint)];
      const auto self = std::ranges::find(queue, entry.number, &Entry::number);
      if (self == queue.end() || std::next(self) == queue.end()) break;
      say(rule, entry.handle, "answered after the next one");
      std::iter_swap(self, std::next(self));
      break;
    }
    default:
      break;
  }
}

void FaultStage::corrupt(Entry& entry, std::size_t rule) {
  auto& urb = *entry.urb;
  const auto size = data_size(urb);
  if (size == 0) return;
  if (urb.is_in() && !entry.has_memory) {
    // The device may hand out memory that it will use again.
    const auto length = std::min(urb.payload.capacity(), urb.length);
    auto copy = pool_.allocate(length);
    if (!copy) return;
    std::memcpy(copy.data(), urb.payload.data(), length);
    urb.payload = std::move(copy);
  }
  auto& dice = (*options_.dice)[rule];
  const auto count = std::min<std::uint64_t>(options_.rules[rule].amount, size);
  std::string places;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto place = dice.below(size, urb.endpoint);
    const auto bit = static_cast<std::byte>(1U << dice.below(8, urb.endpoint));
    std::size_t start = 0;
    each_piece(urb, [&](MutableBytes piece) {
      if (place >= start && place - start < piece.size()) piece[place - start] ^= bit;
      start += piece.size();
    });
    if (i < 16) places += (i == 0 ? "" : ", ") + std::to_string(place);
  }
  say(rule, entry.handle, "a bit flipped in byte " + places + (count > 16 ? ", ..." : ""));
}

void FaultStage::submit_twice(const usb::UrbData& urb) {
  auto copy = usb::Urb::create();
  copy->endpoint = urb.endpoint;
  copy->type = urb.type;
  copy->flags = urb.flags;
  copy->setup = urb.setup;
  copy->length = urb.length;
  copy->iso_packets = urb.iso_packets;
  copy->interval = urb.interval;
  copy->stream_id = urb.stream_id;
  if (!urb.is_in() && urb.length > 0) {
    copy->payload = device_->allocate(urb.length);
    if (!copy->payload || !urb.payload) return;
    std::memcpy(copy->payload.data(), urb.payload.data(), urb.length);
  }
  copies_.push_back(copy.handle());
  copy.push_sink(*this, kCopy);
  device_->submit(std::move(copy));
}

/// Answers an URB with the data that came before it, if a rule wants that.
bool FaultStage::play_again(Entry& entry) {
  auto& urb = *entry.urb;
  auto& again = again_[place_of(urb.endpoint)];
  if (!again || !urb.is_in()) return false;
  const auto length = std::min<std::size_t>(again->size(), urb.length);
  if (!urb.payload && length > 0) urb.payload = pool_.allocate(urb.length);
  if (length > 0 && !urb.payload) return false;
  if (length > 0) std::memcpy(urb.payload.data(), again->data(), length);
  urb.status = Status::Ok;
  urb.actual_length = static_cast<std::uint32_t>(length);
  again.reset();
  return true;
}

void FaultStage::cancel(usb::UrbHandle urb) {
  const auto place = place_of(urb->endpoint);
  auto& queue = queues_[place];
  const auto entry = std::ranges::find(queue, urb, &Entry::handle);
  if (entry == queue.end()) return;
  if (!entry->urb) {
    entry->is_cancelled = true;
    device_->cancel(urb);
    return;
  }
  auto kept = std::move(*entry);
  queue.erase(entry);
  if (kept.is_dropped) {
    kept.urb.complete(Status::Cancelled, 0);
  } else {
    kept.urb.complete();  // It had its answer already.
  }
  deliver(place);
}

void FaultStage::on_completed(usb::Urb urb, std::uint64_t number) {
  if (number == kCopy) {
    std::erase(copies_, urb.handle());
    return;
  }
  const auto place = place_of(urb->endpoint);
  auto& queue = queues_[place];
  const auto entry = std::ranges::find(queue, number, &Entry::number);
  if (is_unplugged_) {
    urb->status = Status::DeviceGone;
    urb->actual_length = 0;
  } else if (entry->is_cancelled) {
    queue.erase(entry);
    urb.complete();
    deliver(place);
    return;
  }
  entry->urb = std::move(urb);
  if (!is_unplugged_) {
    auto strikes = std::move(entry->strikes);
    // Reordering moves the entry.
    std::stable_partition(strikes.begin(), strikes.end(), [this](std::size_t rule) {
      return options_.rules[rule].action != Action::Reorder;
    });
    for (const auto rule : strikes) act_after(*entry, rule);
  }
  deliver(place);
}

/// Completes what has its answer and whose time has come, in order.
void FaultStage::deliver(std::size_t place) {
  auto& queue = queues_[place];
  while (!queue.empty()) {
    auto& first = queue.front();
    if (!first.urb || first.is_dropped) return;
    const bool is_deep = depth_ >= kDeepest && *self_ != nullptr;
    if (is_deep || first.due > timers_.now()) {
      wake_at(std::max(first.due, timers_.now()));
      return;
    }
    auto urb = std::move(first.urb);
    queue.pop_front();
    ++depth_;
    urb.complete();
    --depth_;
  }
}

void FaultStage::wake_at(TimePoint when) {
  if (timer_ && timer_due_ <= when) return;
  if (timer_) timers_.cancel(*timer_);
  timer_due_ = when;
  timer_ = timers_.call_at(when, [self = self_] {
    if (*self == nullptr) return;
    (*self)->timer_.reset();
    for (std::size_t place = 0; place < usb::kEndpointTableSize && *self != nullptr; ++place)
      (*self)->deliver(place);
  });
}

/// Ends every wait that a rule made. What was never to be answered is answered with that.
void FaultStage::let_all_go(usb::Status dropped_status) {
  for (std::size_t place = 0; place < queues_.size(); ++place) {
    again_[place].reset();
    for (auto& entry : queues_[place]) {
      entry.due = TimePoint::min();
      if (!std::exchange(entry.is_dropped, false)) continue;
      entry.urb->status = dropped_status;
      entry.urb->actual_length = 0;
    }
    deliver(place);
  }
}

void FaultStage::tell_when_empty() {
  let_all_go(Status::DeviceGone);
  // Each cancel may bring back others too, so that every look is a new one.
  for (auto urb = next_with_device(); urb; urb = next_with_device()) device_->cancel(urb);
  for (const auto& copy : std::vector(copies_)) {
    if (std::ranges::find(copies_, copy) != copies_.end()) device_->cancel(copy);
  }
  const bool is_empty = copies_.empty() && std::ranges::all_of(queues_, &Queue::empty);
  if (!is_empty) {
    // Real hardware gives URBs back a moment after they were cancelled.
    call_later(std::chrono::milliseconds(1), &FaultStage::tell_when_empty);
    return;
  }
  if (pause_ != Duration{} && options_.reconnect) call_later(pause_, &FaultStage::plug_in_again);
  tell_gone();
}

/// An URB that the device has and was not asked to give back; empty when there is none.
usb::UrbHandle FaultStage::next_with_device() {
  for (auto& queue : queues_) {
    for (auto& entry : queue) {
      if (!entry.urb && !std::exchange(entry.is_cancelled, true)) return entry.handle;
    }
  }
  return {};
}

void FaultStage::tell_gone() {
  is_gone_ = true;
  if (const auto call = std::exchange(gone_handler_, {})) call();
}

void FaultStage::plug_in_again() {
  last_model_ = device_->model();
  auto reset = usb::Urb::create();
  reset->setup = usb::SetupPacket::port_reset();
  device_->submit(std::move(reset));
  const auto reconnect = options_.reconnect;
  reconnect(std::move(device_));  // Whoever gets it may destroy this stage.
}

void FaultStage::call_later(Duration delay, void (FaultStage::*member)()) {
  timers_.call_at(timers_.now() + delay, [self = self_, member] {
    if (*self != nullptr) ((*self)->*member)();
  });
}

void FaultStage::say(std::size_t rule, usb::UrbHandle urb, const std::string& what) const {
  if (!options_.note) return;
  options_.note(urb, "PeriProx: fault '" + options_.rules[rule].text + "': " + what);
}

}  // namespace periprox::stage
