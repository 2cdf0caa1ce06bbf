#include "periprox/emulated/transfer.hpp"

#include "periprox/emulated/constant_data.hpp"
#include "periprox/emulated/emulated_device.hpp"

namespace periprox::emulated {

// --- Ticket --------------------------------------------------------------------------------------

Ticket& Ticket::operator=(Ticket&& other) noexcept {
  if (this != &other) {
    drop();
    device_ = std::move(other.device_);
    id_ = other.id_;
    queue_ = other.queue_;
  }
  return *this;
}

bool Ticket::pending() const {
  return device_ != nullptr && *device_ != nullptr && (*device_)->is_with_handler(queue_, id_);
}

usb::UrbData& Ticket::urb() const { return (*device_)->front(queue_); }

void Ticket::drop() {
  // The reference is taken out first: the answer may destroy whoever owns this ticket.
  const auto device = std::move(device_);
  if (device != nullptr && *device != nullptr && (*device)->is_with_handler(queue_, id_)) {
    (*device)->answer_stall(queue_);
  }
}

// --- InTransfer ----------------------------------------------------------------------------------

std::uint16_t InTransfer::max_packet_size() const {
  return ticket_.device().max_packet_size(ticket_.queue());
}
usb::Speed InTransfer::speed() const { return ticket_.device().model().speed(); }

void InTransfer::send(Bytes data) {
  if (pending()) ticket_.device().answer_in(ticket_.queue(), data);
}

void InTransfer::send(ConstantData& data, std::uint32_t count) {
  if (!pending()) return;
  auto& urb = ticket_.urb();
  if (urb.payload || count > urb.length) return send(data.bytes().first(count));
  urb.payload = data.lend(count);
  send_reserved(count);
}

MutableBytes InTransfer::reserve(std::uint32_t count) {
  return pending() ? ticket_.device().reserve(ticket_.queue(), count) : MutableBytes{};
}

void InTransfer::send_reserved(std::uint32_t count) {
  if (pending()) ticket_.device().answer_filled(ticket_.queue(), count);
}

void InTransfer::send_reserved_then_stall(std::uint32_t count) {
  if (pending()) ticket_.device().answer_filled_then_stall(ticket_.queue(), count);
}

void InTransfer::stall() {
  if (pending()) ticket_.device().answer_stall(ticket_.queue());
}

// --- OutTransfer ---------------------------------------------------------------------------------

std::uint16_t OutTransfer::max_packet_size() const {
  return ticket_.device().max_packet_size(ticket_.queue());
}
usb::Speed OutTransfer::speed() const { return ticket_.device().model().speed(); }

bool OutTransfer::ends_short() const {
  const auto& urb = ticket_.urb();
  return urb.length == 0 || urb.flags.zero_packet || urb.length % max_packet_size() != 0;
}

void OutTransfer::accept() {
  if (pending()) ticket_.device().answer_accept(ticket_.queue());
}

void OutTransfer::accept_then_halt() {
  if (pending()) ticket_.device().answer_accept_then_halt(ticket_.queue());
}

void OutTransfer::accept_then_stall(std::uint32_t count) {
  if (pending()) ticket_.device().answer_stall(ticket_.queue(), count);
}

void OutTransfer::stall() {
  if (pending()) ticket_.device().answer_stall(ticket_.queue());
}

// --- ControlTransfer -----------------------------------------------------------------------------

Bytes ControlTransfer::data() const {
  const auto& urb = ticket_.urb();
  return urb.setup.is_in() || !urb.payload ? Bytes{} : Bytes(urb.payload.first(urb.length));
}
usb::Speed ControlTransfer::speed() const { return ticket_.device().model().speed(); }

void ControlTransfer::send(Bytes data) {
  if (pending()) ticket_.device().answer_control(ticket_.queue(), data);
}

void ControlTransfer::accept() {
  if (pending()) ticket_.device().answer_accept(ticket_.queue());
}

void ControlTransfer::stall() {
  if (pending()) ticket_.device().answer_stall(ticket_.queue());
}

}  // namespace periprox::emulated
