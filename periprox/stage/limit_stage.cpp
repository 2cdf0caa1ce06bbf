#include "periprox/stage/limit_stage.hpp"

#include <algorithm>
#include <utility>

namespace periprox::stage {
namespace {

using usb::Status;

/// A driver that tries again at once whatever goes wrong does so no more often than this.
constexpr auto kRefusalDelay = std::chrono::milliseconds(10);

/// What the host sees while the breaker is open: the bus did not bring an answer.
constexpr auto kRefused = Status::ProtocolError;

std::size_t place_of(usb::EndpointAddress endpoint) {
  // Control transfers of both directions wait in one line.
  return endpoint.number() == 0 ? 0 : endpoint.index();
}

bool is_reset(const usb::UrbData& urb) {
  return urb.type == usb::TransferType::Control && urb.setup.is_port_reset();
}

}  // namespace

LimitStage::LimitStage(std::shared_ptr<usb::Device> device, LimitOptions options, Timers& timers)
    : device_(std::move(device)), options_(std::move(options)), timers_(timers) {
  if (options_.breaker) breaker_.emplace(*options_.breaker);
  if (options_.limiter) options_.limiter->add(*this);
  device_->on_gone([self = self_] {
    if (*self == nullptr) return;
    (*self)->is_gone_ = true;
    (*self)->give_up_waiting();
    (*self)->tell_gone();
  });
}

LimitStage::~LimitStage() {
  *self_ = nullptr;
  is_ending_ = true;
  if (options_.limiter) options_.limiter->remove(*this);
  if (deliver_timer_) timers_.cancel(*deliver_timer_);
  if (orphan_timer_) timers_.cancel(*orphan_timer_);
  device_.reset();  // Gives back what it has.
  give_up_waiting();
}

void LimitStage::on_gone(std::function<void()> handler) {
  gone_handler_ = std::move(handler);
  if (is_gone_) tell_gone();
}

void LimitStage::tell_gone() {
  if (const auto call = std::exchange(gone_handler_, {})) call();
}

// ---- Down
// -------------------------------------------------------------------------------------------

void LimitStage::submit(usb::Urb urb) {
  if (is_ending_ || is_gone_) {
    urb.complete(Status::DeviceGone, 0);
    return;
  }
  const auto place = place_of(urb->endpoint);
  const auto number = ++last_number_;
  // Resetting is how a host helps a device that fails; it says nothing of how well that works.
  const bool counts = breaker_ && !is_reset(*urb);
  auto& queue = queues_[place];
  queue.push_back({.number = number, .handle = urb.handle(), .counts = counts});
  auto& entry = queue.back();
  if (counts && !breaker_->admits(timers_.now(), place)) {
    ++refused_;
    entry.where = Where::Refused;
    entry.due = timers_.now() + kRefusalDelay;
    entry.urb = std::move(urb);
    call_at(deliver_timer_, entry.due, &LimitStage::deliver_all);
    return;
  }
  entry.urb = std::move(urb);
  if (!options_.limiter) {
    send(place, number);
    return;
  }
  waiting_.emplace_back(place, number);
  if (waiting_.size() == 1) options_.limiter->serve(*this);
}

/// The rate limiter lets the oldest go.
void LimitStage::send_next() {
  const auto [place, number] = waiting_.front();
  waiting_.pop_front();
  send(place, number);
}

void LimitStage::send(std::size_t place, std::uint64_t number) {
  const auto entry = std::ranges::find(queues_[place], number, &Entry::number);
  if (entry == queues_[place].end()) return;  // Cancelled meanwhile.
  auto urb = std::move(entry->urb);
  entry->where = Where::AtDevice;
  if (options_.limiter) options_.limiter->pay(*this, 1, urb->is_in() ? 0 : urb->length);
  urb.push_sink(*this, number);
  device_->submit(std::move(urb));
}

void LimitStage::cancel(usb::UrbHandle urb) {
  const auto place = place_of(urb->endpoint);
  auto& queue = queues_[place];
  const auto entry = std::ranges::find(queue, urb, &Entry::handle);
  if (entry == queue.end()) return;
  if (entry->where == Where::AtDevice) {
    if (!entry->cancelled_at) entry->cancelled_at = timers_.now();
    if (options_.patience)
      call_at(orphan_timer_, *entry->cancelled_at + *options_.patience,
              &LimitStage::look_for_orphans);
    device_->cancel(urb);
    return;
  }
  auto kept = std::move(*entry);
  queue.erase(entry);
  std::erase(waiting_, std::pair(place, kept.number));
  const auto self = self_;
  kept.urb.complete(Status::Cancelled, 0);
  if (*self != nullptr) deliver(place);
}

void LimitStage::abandon() {
  std::size_t count = 0;
  const auto self = self_;
  for (std::size_t place = 0; place < queues_.size(); ++place) {
    // Each cancel may bring back others too, so that every look is a new one.
    std::uint64_t last = 0;
    while (*self != nullptr) {
      const auto& queue = queues_[place];
      const auto entry = std::ranges::find_if(
          queue, [&](const Entry& other) { return other.number > last && !other.cancelled_at; });
      if (entry == queue.end()) break;
      last = entry->number;
      ++count;
      cancel(entry->handle);
    }
    if (*self == nullptr) return;
  }
  if (count > 0 && options_.say) {
    options_.say(std::to_string(count) + (count == 1 ? " transfer" : " transfers") +
                 " of a client that is gone had to be cancelled");
  }
}

// ---- Up
// ---------------------------------------------------------------------------------------------

void LimitStage::on_completed(usb::Urb urb, std::uint64_t number) {
  const auto place = place_of(urb->endpoint);
  auto& queue = queues_[place];
  const auto entry = std::ranges::find(queue, number, &Entry::number);
  const bool counts = entry->counts;
  queue.erase(entry);
  if (is_ending_) {
    urb.complete();
    return;
  }
  if (options_.limiter && urb->is_in()) options_.limiter->pay(*this, 0, urb->actual_length);
  if (counts && breaker_->learn(timers_.now(), place, urb->status) && options_.say) {
    auto text = breaker_->text();
    const auto refused = std::exchange(refused_, 0);
    if (refused > 0) text += " (" + std::to_string(refused) + " were refused meanwhile)";
    options_.say(text);
  }
  const auto self = self_;
  urb.complete();
  if (*self != nullptr) deliver(place);
}

/// Tells of refusals whose time has come and that nothing stands before.
void LimitStage::deliver(std::size_t place) {
  const auto self = self_;
  while (*self != nullptr && !queues_[place].empty()) {
    auto& first = queues_[place].front();
    if (first.where != Where::Refused) return;
    if (first.due > timers_.now()) {
      call_at(deliver_timer_, first.due, &LimitStage::deliver_all);
      return;
    }
    auto urb = std::move(first.urb);
    queues_[place].pop_front();
    for (auto& packet : urb->iso_packets) packet.status = kRefused;
    urb->error_count = static_cast<std::uint32_t>(urb->iso_packets.size());
    urb.complete(kRefused, 0);
  }
}

void LimitStage::deliver_all() {
  const auto self = self_;
  for (std::size_t place = 0; place < queues_.size() && *self != nullptr; ++place) deliver(place);
}

/// Gives back all that the device never had.
void LimitStage::give_up_waiting() {
  waiting_.clear();
  for (auto& queue : queues_) {
    while (!queue.empty()) {
      const auto entry = std::ranges::find_if(
          queue, [](const Entry& other) { return other.where != Where::AtDevice; });
      if (entry == queue.end()) break;
      auto urb = std::move(entry->urb);
      queue.erase(entry);
      urb.complete(Status::DeviceGone, 0);
    }
  }
}

/// What was cancelled and does not come back belongs to nobody, and keeps its session from ending.
void LimitStage::look_for_orphans() {
  std::size_t count = 0;
  std::optional<TimePoint> next;
  for (const auto& queue : queues_) {
    for (const auto& entry : queue) {
      if (!entry.cancelled_at) continue;
      const auto due = *entry.cancelled_at + *options_.patience;
      if (due <= timers_.now()) {
        ++count;
      } else if (!next || due < *next) {
        next = due;
      }
    }
  }
  if (count == 0) was_reset_ = false;
  if (count > 0) next = timers_.now() + *options_.patience;
  if (next) call_at(orphan_timer_, *next, &LimitStage::look_for_orphans);
  if (count == 0 || std::exchange(was_reset_, true)) return;
  if (options_.say) {
    options_.say(std::to_string(count) + (count == 1 ? " transfer" : " transfers") +
                 " that nobody wants any more did not come back; the device is reset");
  }
  auto reset = usb::Urb::create();
  reset->setup = usb::SetupPacket::port_reset();
  device_->submit(std::move(reset));
}

void LimitStage::call_at(std::optional<TimerId>& timer, TimePoint when,
                         void (LimitStage::*member)()) {
  if (timer) return;  // Looks at everything, and asks again for the rest.
  timer = timers_.call_at(when, [self = self_, &timer, member] {
    if (*self == nullptr) return;
    timer.reset();
    ((*self)->*member)();
  });
}

}  // namespace periprox::stage
