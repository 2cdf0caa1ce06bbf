// Serving the first URB of a queue: who answers it, and how an answer becomes an outcome.
#include <algorithm>
#include <cstring>
#include <utility>

#include "periprox/emulated/emulated_device.hpp"

namespace periprox::emulated {
namespace {

template <typename Handler>
const Handler* handler_of(const Endpoint* endpoint) {
  return endpoint == nullptr ? nullptr : std::get_if<Handler>(&endpoint->handler);
}

const ControlHandler* find_in(const std::vector<Request>& requests, const usb::SetupPacket& setup) {
  for (const auto& request : requests) {
    if (request.type == setup.type() && request.direction == setup.direction() &&
        request.bRequest == setup.bRequest) {
      return &request.handler;
    }
  }
  return nullptr;
}

/// Less than asked for is an error when the host said so.
usb::Status in_status(const usb::UrbData& urb, std::uint32_t actual_length) {
  return urb.flags.short_not_ok && actual_length < urb.length ? usb::Status::ShortTransfer
                                                              : usb::Status::Ok;
}

}  // namespace

void EmulatedDevice::serve(std::uint8_t index) {
  auto& queue = queues_[index];
  const auto alive = self_;
  queue.serving = true;
  if (gone_) {
    settle(index, usb::Status::DeviceGone, 0);
  } else if (queue.halted) {
    settle(index, usb::Status::Stalled, 0);
  } else if (index == 0) {
    serve_control(index);
  } else if (queue.endpoint == nullptr) {
    // Its endpoint went away between submit() and now.
    settle(index, usb::Status::Shutdown, 0);
  } else if (queue.endpoint->type == usb::TransferType::Isochronous) {
    serve_isochronous(index);
  } else if (queue.endpoint->address.is_in()) {
    serve_in(index, handler_of<InHandler>(queue.endpoint));
  } else {
    serve_out(index, handler_of<OutHandler>(queue.endpoint));
  }
  if (*alive != nullptr) queue.serving = false;
}

// --- Bulk and interrupt --------------------------------------------------------------------------

void EmulatedDevice::serve_in(std::uint8_t index, const InHandler* handler) {
  auto& queue = queues_[index];
  if (!queue.surplus_left().empty()) return give_in(index, queue.surplus_left(), true);
  queue.with_handler = queue.front().id;
  if (handler != nullptr) (*handler)(InTransfer(Ticket(self_, index, queue.with_handler)));
}

void EmulatedDevice::serve_out(std::uint8_t index, const OutHandler* handler) {
  auto& queue = queues_[index];
  queue.with_handler = queue.front().id;
  if (handler == nullptr) return answer_accept(index);
  (*handler)(OutTransfer(Ticket(self_, index, queue.with_handler)));
}

/// Moves `data` into the first URB packet by packet, as the bus would. What is left when the URB is
/// full waits for the next one; a packet that only half fits is a babble (USB 2.0, 8.7.4).
void EmulatedDevice::give_in(std::uint8_t index, Bytes data, bool from_surplus) {
  auto& queue = queues_[index];
  auto& urb = *queue.front().urb;
  const std::uint32_t packet = std::max<std::uint32_t>(max_packet_size(index), 1);
  const bool fits = data.size() <= urb.length;
  const bool babbles = !fits && (urb.length == 0 || urb.length % packet != 0);
  const auto taken = fits      ? static_cast<std::uint32_t>(data.size())
                     : babbles ? urb.length - urb.length % packet
                               : urb.length;
  if (!fill(urb, data.first(taken))) return settle(index, usb::Status::NoMemory, 0);
  if (fits || babbles) {
    queue.forget_surplus();
  } else if (from_surplus) {
    queue.surplus_taken += taken;
  } else {
    queue.surplus.assign(data.begin() + taken, data.end());
    queue.surplus_taken = 0;
  }
  charge_intervals(queue, taken);
  settle(index, babbles ? usb::Status::Babble : in_status(urb, taken), taken);
}

/// Puts data into the memory that the submitter gave, else into memory of our own.
bool EmulatedDevice::fill(usb::UrbData& urb, Bytes data) {
  if (data.empty()) return true;
  if (!urb.payload) urb.payload = pool_.allocate(static_cast<std::uint32_t>(data.size()));
  if (!urb.payload) return false;
  std::memcpy(urb.payload.data(), data.data(), data.size());
  return true;
}

/// An interrupt transfer of several packets takes as many intervals, which the next one waits for.
void EmulatedDevice::charge_intervals(EndpointQueue& queue, std::uint32_t moved) {
  if (queue.endpoint == nullptr || queue.endpoint->type != usb::TransferType::Interrupt) return;
  const auto* info = model_.endpoint(queue.endpoint->address);
  if (info == nullptr) return;
  // A handler that kept the transfer answers in the interval that runs now.
  const std::uint64_t now = clock_.frame_at(timers_.now()) / info->interval;
  if (!queue.serving) queue.next_slot = std::max(queue.next_slot, now);
  const auto per_interval = std::max<std::uint32_t>(info->bytes_per_interval, 1);
  queue.next_slot += std::max<std::uint32_t>((moved + per_interval - 1) / per_interval, 1);
}

// --- Isochronous ---------------------------------------------------------------------------------

void EmulatedDevice::serve_isochronous(std::uint8_t index) {
  auto& queue = queues_[index];
  auto& urb = *queue.front().urb;
  if (urb.is_in() && !urb.payload && urb.length != 0) urb.payload = pool_.allocate(urb.length);
  if (urb.length != 0 && !urb.payload) return settle(index, usb::Status::NoMemory, 0);

  const auto* fill_packet = handler_of<IsoInHandler>(queue.endpoint);
  const auto* take_packet = handler_of<IsoOutHandler>(queue.endpoint);
  const std::uint64_t interval = model_.endpoint(queue.endpoint->address)->interval;
  std::uint64_t frame = queue.front().start_frame;
  std::uint32_t moved = 0;
  for (auto& packet : urb.iso_packets) {
    const MutableBytes bytes = urb.payload ? urb.payload.first(urb.length) : MutableBytes{};
    const auto room = bytes.subspan(packet.offset, packet.length);
    packet.status = usb::Status::Ok;
    if (!urb.is_in()) {
      if (take_packet != nullptr) (*take_packet)(frame, room);
      packet.actual_length = packet.length;
    } else {
      const auto filled = fill_packet != nullptr ? (*fill_packet)(frame, room) : 0;
      packet.actual_length = std::min(filled, packet.length);
    }
    moved += packet.actual_length;
    frame += interval;
  }
  urb.error_count = 0;
  settle(index, usb::Status::Ok, moved);
}

// --- Control -------------------------------------------------------------------------------------

void EmulatedDevice::serve_control(std::uint8_t index) {
  auto& queue = queues_[index];
  const auto& setup = queue.front().urb->setup;
  if (setup.type() == usb::RequestType::Standard) return serve_standard(index);
  const auto* handler = find_handler(setup);
  queue.with_handler = queue.front().id;
  if (handler == nullptr || !*handler) return answer_stall(index);
  (*handler)(ControlTransfer(Ticket(self_, index, queue.with_handler)));
}

/// The recipient's own requests first, then the device's.
const ControlHandler* EmulatedDevice::find_handler(const usb::SetupPacket& setup) const {
  const auto target = static_cast<std::uint8_t>(setup.wIndex & 0xff);
  const auto* configuration = active_declaration();
  if (setup.recipient() == usb::Recipient::Interface && configuration != nullptr &&
      target < configuration->interfaces.size()) {
    const auto* handler = find_in(configuration->interfaces[target].requests, setup);
    if (handler != nullptr) return handler;
  }
  if (setup.recipient() == usb::Recipient::Endpoint) {
    const auto* endpoint = queues_[usb::EndpointAddress(target).index()].endpoint;
    const auto* handler = endpoint != nullptr ? find_in(endpoint->requests, setup) : nullptr;
    if (handler != nullptr) return handler;
  }
  return find_in(declaration_.requests, setup);
}

// --- Answers -------------------------------------------------------------------------------------

bool EmulatedDevice::is_with_handler(std::uint8_t queue, std::uint64_t id) {
  return id != 0 && queues_[queue].with_handler == id;
}

std::uint16_t EmulatedDevice::max_packet_size(std::uint8_t queue) {
  const auto* info = model_.endpoint(front(queue).endpoint);
  return info == nullptr ? 0 : info->max_packet_size;
}

MutableBytes EmulatedDevice::reserve(std::uint8_t queue, std::uint32_t count) {
  auto& urb = front(queue);
  if (count > urb.length) return {};
  if (!urb.payload) urb.payload = pool_.allocate(count);
  return urb.payload ? urb.payload.first(count) : MutableBytes{};
}

void EmulatedDevice::answer_in(std::uint8_t queue, Bytes data) { give_in(queue, data, false); }

void EmulatedDevice::answer_filled(std::uint8_t queue, std::uint32_t count) {
  const auto& urb = front(queue);
  const auto capacity = urb.payload ? urb.payload.capacity() : 0;
  const auto sent = std::min({count, urb.length, capacity});
  charge_intervals(queues_[queue], sent);
  settle(queue, in_status(urb, sent), sent);
}

void EmulatedDevice::answer_filled_then_stall(std::uint8_t queue, std::uint32_t count) {
  const auto& urb = front(queue);
  const bool ends =
      count >= urb.length || count % std::max(max_packet_size(queue), std::uint16_t{1}) != 0;
  if (!ends) return answer_stall(queue, count);
  queues_[queue].halted = true;
  answer_filled(queue, count);
}

void EmulatedDevice::answer_control(std::uint8_t queue, Bytes data) {
  auto& urb = front(queue);
  // A request without IN data has nowhere to put it.
  if (!urb.setup.is_in()) return answer_accept(queue);
  const auto sent = data.first(std::min<std::size_t>(data.size(), urb.length));
  if (!fill(urb, sent)) return settle(queue, usb::Status::NoMemory, 0);
  const auto length = static_cast<std::uint32_t>(sent.size());
  settle(queue, in_status(urb, length), length);
}

void EmulatedDevice::answer_accept(std::uint8_t queue) {
  const auto& urb = front(queue);
  if (urb.is_in()) return settle(queue, in_status(urb, 0), 0);
  charge_intervals(queues_[queue], urb.length);
  settle(queue, usb::Status::Ok, urb.length);
}

void EmulatedDevice::answer_accept_then_halt(std::uint8_t queue) {
  queues_[queue].halted = true;
  answer_accept(queue);
}

void EmulatedDevice::answer_stall(std::uint8_t queue, std::uint32_t moved) {
  // On endpoint 0 a stall is for this request only (USB 2.0, 8.5.3.4).
  if (queue != 0) queues_[queue].halted = true;
  settle(queue, usb::Status::Stalled, std::min(moved, front(queue).length));
}

}  // namespace periprox::emulated
