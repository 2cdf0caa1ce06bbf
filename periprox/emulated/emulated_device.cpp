// The queues: how URBs come in, wait, are served in order, and go back. What serving one means is
// in emulated_device_serve.cpp; what requests change is in emulated_device_state.cpp.
//
// Whoever gets an URB back may submit, cancel, reset or destroy the device from there. So nothing
// is completed while a handler is on the stack (it is only settled), each queue is pumped by one
// frame of the stack at a time, and every frame looks at `alive` after it has called out.
#include "periprox/emulated/emulated_device.hpp"

#include <algorithm>
#include <utility>

namespace periprox::emulated {
namespace {

// What an idle device keeps of the memory it used.
constexpr std::size_t kKeptPayloadBytes = std::size_t{4} << 20;

/// Endpoint 0 has one queue for both directions; every other address has its own.
std::uint8_t queue_index(const usb::UrbData& urb) {
  return urb.endpoint.number() == 0 ? 0 : urb.endpoint.index();
}

bool is_control(const usb::UrbData& urb) { return urb.endpoint.number() == 0; }

/// Isochronous packets lie within the buffer and are no longer than the endpoint's
/// (usb_submit_urb() of Linux: -EMSGSIZE).
std::optional<usb::Status> packets_refusal(const usb::UrbData& urb, const usb::EndpointInfo& info) {
  for (const auto& packet : urb.iso_packets) {
    if (packet.length > info.bytes_per_interval) return usb::Status::TooLarge;
    if (packet.offset > urb.length || packet.length > urb.length - packet.offset) {
      return usb::Status::InvalidArgument;
    }
  }
  return std::nullopt;
}

std::optional<usb::Status> control_refusal(const usb::UrbData& urb) {
  if (urb.setup.wLength != urb.length) return usb::Status::BadLength;
  if (urb.length != 0 && urb.setup.is_in() != urb.is_in()) return usb::Status::InvalidArgument;
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<EmulatedDevice>> EmulatedDevice::create(Declaration declaration,
                                                               usb::Speed speed, Timers& timers) {
  auto descriptors = derive_descriptors(declaration, speed);
  if (!descriptors) return forward_error(descriptors);
  return std::unique_ptr<EmulatedDevice>(
      new EmulatedDevice(std::move(declaration), std::move(*descriptors), speed, timers));
}

EmulatedDevice::EmulatedDevice(Declaration declaration, DescriptorSet descriptors, usb::Speed speed,
                               Timers& timers)
    : declaration_(std::move(declaration)),
      descriptors_(std::move(descriptors)),
      model_(speed, descriptors_.device, descriptors_.configurations),
      timers_(timers),
      clock_(timers.now(), speed),
      chapter9_(declaration_, descriptors_, model_),
      pool_(kKeptPayloadBytes),
      self_(std::make_shared<EmulatedDevice*>(this)) {
  model_.manufacturer = declaration_.manufacturer;
  model_.product = declaration_.product;
  model_.serial_number = declaration_.serial_number;
  model_.bos = descriptors_.bos;
  model_.set_configuration(descriptors_.configurations.front().descriptor.bConfigurationValue);
  connect_endpoints();
}

EmulatedDevice::~EmulatedDevice() {
  gone_ = true;
  flush_all(usb::Status::DeviceGone);
  for (auto& queue : queues_) forget_timer(queue);
  *self_ = nullptr;
}

// --- In ------------------------------------------------------------------------------------------

void EmulatedDevice::submit(usb::Urb urb) {
  if (gone_) return urb.complete(usb::Status::DeviceGone, 0);
  if (is_control(*urb) && urb->setup.is_port_reset()) return reset(std::move(urb));
  if (const auto status = refusal(*urb)) return urb.complete(*status, 0);

  const auto index = queue_index(*urb);
  auto& queue = queues_[index];
  QueuedUrb queued{.urb = std::move(urb), .id = ++last_id_};
  schedule(queue, queued);
  queue.urbs.push(std::move(queued));
  pump(index);
}

/// Why an URB is not taken at all, as a host controller driver refuses it; empty when it is taken.
std::optional<usb::Status> EmulatedDevice::refusal(const usb::UrbData& urb) const {
  if (urb.length > kMaxTransferLength) return usb::Status::NoMemory;
  const bool has_room = urb.payload && urb.payload.capacity() >= urb.length;
  const bool needs_room = urb.length != 0 && (urb.payload || !urb.is_in());
  if (needs_room && !has_room) return usb::Status::InvalidArgument;
  if (is_control(urb)) return control_refusal(urb);
  const auto* info = model_.endpoint(urb.endpoint);
  if (info == nullptr) return usb::Status::Killed;
  if (info->type == usb::TransferType::Isochronous) return packets_refusal(urb, *info);
  return std::nullopt;
}

/// Gives an isochronous URB its frames, and an idle periodic endpoint its next interval.
///
/// Hardware gives an URB back in time, whatever the host does meanwhile. When we are late to do so
/// the host is late to submit the next one, through no fault of its own: so the pipe has run dry
/// only if it would have on hardware, by the clock as it was when we should have served the last
/// URBs.
void EmulatedDevice::schedule(EndpointQueue& queue, QueuedUrb& queued) {
  const auto* info = model_.endpoint(queued.urb->endpoint);
  if (info == nullptr || info->interval == 0) return;
  const auto now = timers_.now();
  const auto interval_at = [&](TimePoint time) { return clock_.frame_at(time) / info->interval; };
  if (info->type == usb::TransferType::Interrupt) {
    if (queue.urbs.empty()) queue.next_slot = std::max(queue.next_slot, interval_at(now));
    return;
  }
  const std::uint64_t soonest = queue.urbs.empty()
                                    ? (interval_at(now - queue.late_by) + 1) * info->interval
                                    : queue.urbs.back().end_frame;
  queued.start_frame = std::max(queue.next_slot, soonest);
  if (queued.start_frame > clock_.frame_at(now)) queue.late_by = {};  // Caught up.
  queued.end_frame = queued.start_frame + queued.urb->iso_packets.size() * info->interval;
  queued.urb->start_frame = static_cast<std::int32_t>(queued.start_frame & 0x7fffffff);
  queue.next_slot = queued.end_frame;
}

// --- Served in order -----------------------------------------------------------------------------

void EmulatedDevice::pump(std::uint8_t index) {
  auto& queue = queues_[index];
  if (queue.pumping || paused_ > 0) return;
  const auto alive = self_;
  queue.pumping = true;
  int budget = kInlineBudget;
  while (!queue.urbs.empty() && queue.with_handler == 0 && paused_ == 0 && is_due(index)) {
    if (budget-- == 0) {
      wake_at(index, timers_.now());
      break;
    }
    serve(index);
    if (*alive == nullptr) return;
    if (!queue.settled) continue;
    queue.settled = false;
    auto urb = queue.take(0);
    urb.complete();
    if (*alive == nullptr) return;
  }
  queue.pumping = false;
  if (queue.urbs.empty()) forget_timer(queue);
}

/// Whether the first URB's time has come; asks to be woken when it has not.
bool EmulatedDevice::is_due(std::uint8_t index) {
  auto& queue = queues_[index];
  if (queue.halted || queue.endpoint == nullptr) return true;
  TimePoint due{};
  switch (queue.endpoint->type) {
    case usb::TransferType::Interrupt: {
      const auto* info = model_.endpoint(queue.endpoint->address);
      due = clock_.start_of(queue.next_slot * info->interval);
      break;
    }
    case usb::TransferType::Isochronous:
      due = clock_.start_of(queue.front().end_frame);
      break;
    default:
      return true;
  }
  if (due > timers_.now()) {
    wake_at(index, due);
    return false;
  }
  if (queue.endpoint->type == usb::TransferType::Isochronous) {
    // The lateness of the first of several is what the host has to catch up with.
    queue.late_by = std::clamp<Duration>(timers_.now() - due, queue.late_by, kLatenessMadeUpFor);
  }
  return true;
}

void EmulatedDevice::settle(std::uint8_t index, usb::Status status, std::uint32_t actual_length) {
  auto& queue = queues_[index];
  auto& urb = *queue.front().urb;
  urb.status = status;
  urb.actual_length = actual_length;
  queue.with_handler = 0;
  if (queue.serving) {
    queue.settled = true;
    return;
  }
  const auto alive = self_;
  queue.take(0).complete();
  if (*alive != nullptr) pump(index);
}

void EmulatedDevice::wake_at(std::uint8_t index, TimePoint when) {
  auto& queue = queues_[index];
  if (queue.timer != TimerId{}) {
    if (queue.timer_due == when) return;
    timers_.cancel(queue.timer);
  }
  queue.timer_due = when;
  queue.timer = timers_.call_at(when, [this, index] {
    queues_[index].timer = {};
    pump(index);
  });
}

void EmulatedDevice::forget_timer(EndpointQueue& queue) {
  if (queue.timer != TimerId{}) timers_.cancel(std::exchange(queue.timer, {}));
}

// --- Taken back ----------------------------------------------------------------------------------

void EmulatedDevice::cancel(usb::UrbHandle handle) {
  if (!handle) return;
  const auto index = queue_index(*handle.operator->());
  auto& queue = queues_[index];
  for (std::size_t i = 0; i < queue.urbs.size(); ++i) {
    if (queue.urbs[i].urb.handle() != handle) continue;
    // One that has its outcome already lost the race: it completes with that.
    if (i == 0 && queue.settled) return;
    if (i == 0) queue.with_handler = 0;
    auto urb = queue.take(i);
    // What follows is served by the event loop: no other URB completes within cancel().
    if (queue.urbs.empty()) {
      forget_timer(queue);
    } else {
      wake_at(index, timers_.now());
    }
    return urb.complete(usb::Status::Cancelled, 0);
  }
}

/// Completes what is in the queue now, in order; what the sinks submit meanwhile stays for pump().
void EmulatedDevice::flush(std::uint8_t index, usb::Status status) {
  auto& queue = queues_[index];
  queue.forget_surplus();
  if (queue.urbs.empty()) return;
  const auto alive = self_;
  const auto last = queue.urbs.back().id;
  while (!queue.urbs.empty() && queue.front().id <= last) {
    queue.with_handler = 0;
    const bool settled = std::exchange(queue.settled, false);
    auto urb = queue.take(0);
    if (settled) {
      urb.complete();
    } else {
      urb.complete(status, 0);
    }
    if (*alive == nullptr) return;
  }
  if (queue.urbs.empty()) forget_timer(queue);
}

void EmulatedDevice::flush_all(usb::Status status) {
  const auto alive = self_;
  for (std::uint8_t index = 0; index < queues_.size(); ++index) {
    flush(index, status);
    if (*alive == nullptr) return;
  }
}

/// Ends one change of the device's state: what came in meanwhile is served.
void EmulatedDevice::resume() {
  if (--paused_ > 0) return;
  const auto alive = self_;
  for (std::uint8_t index = 0; index < queues_.size(); ++index) {
    pump(index);
    if (*alive == nullptr) return;
  }
}

// --- Out of its port -----------------------------------------------------------------------------

void EmulatedDevice::on_gone(std::function<void()> handler) {
  if (gone_) return handler();
  gone_handlers_.push_back(std::move(handler));
}

void EmulatedDevice::unplug() {
  if (gone_) return;
  gone_ = true;
  const auto alive = self_;
  flush_all(usb::Status::DeviceGone);
  if (*alive == nullptr) return;
  // A handler may destroy the device.
  for (const auto handlers = std::move(gone_handlers_); const auto& handler : handlers) handler();
}

}  // namespace periprox::emulated
