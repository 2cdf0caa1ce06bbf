#include "periprox/emulated/declaration.hpp"

#include <utility>

namespace periprox::emulated {
namespace {

using usb::Direction;
using usb::RequestType;
using usb::TransferType;

Endpoint periodic_endpoint(std::uint8_t number, Direction direction, TransferType type,
                           const Periodic& periodic) {
  return {.address = usb::EndpointAddress(number, direction),
          .type = type,
          .max_packet_size = periodic.max_packet_size,
          .interval = periodic.interval,
          .packets = periodic.packets,
          .sync_and_usage = periodic.sync_and_usage};
}

template <typename Handler>
Endpoint with_handler(Endpoint endpoint, Handler handler) {
  if (handler) endpoint.handler = std::move(handler);
  return endpoint;
}

}  // namespace

Request class_in(std::uint8_t bRequest, ControlHandler handler) {
  return {RequestType::Class, Direction::In, bRequest, std::move(handler)};
}
Request class_out(std::uint8_t bRequest, ControlHandler handler) {
  return {RequestType::Class, Direction::Out, bRequest, std::move(handler)};
}
Request vendor_in(std::uint8_t bRequest, ControlHandler handler) {
  return {RequestType::Vendor, Direction::In, bRequest, std::move(handler)};
}
Request vendor_out(std::uint8_t bRequest, ControlHandler handler) {
  return {RequestType::Vendor, Direction::Out, bRequest, std::move(handler)};
}

Endpoint bulk_in(std::uint8_t number, InHandler handler) {
  return with_handler({.address = usb::EndpointAddress(number, Direction::In)}, std::move(handler));
}
Endpoint bulk_out(std::uint8_t number, OutHandler handler) {
  return with_handler({.address = usb::EndpointAddress(number, Direction::Out)},
                      std::move(handler));
}
Endpoint interrupt_in(std::uint8_t number, Periodic periodic, InHandler handler) {
  return with_handler(periodic_endpoint(number, Direction::In, TransferType::Interrupt, periodic),
                      std::move(handler));
}
Endpoint interrupt_out(std::uint8_t number, Periodic periodic, OutHandler handler) {
  return with_handler(periodic_endpoint(number, Direction::Out, TransferType::Interrupt, periodic),
                      std::move(handler));
}
Endpoint iso_in(std::uint8_t number, Periodic periodic, IsoInHandler handler) {
  return with_handler(periodic_endpoint(number, Direction::In, TransferType::Isochronous, periodic),
                      std::move(handler));
}
Endpoint iso_out(std::uint8_t number, Periodic periodic, IsoOutHandler handler) {
  return with_handler(
      periodic_endpoint(number, Direction::Out, TransferType::Isochronous, periodic),
      std::move(handler));
}

std::vector<std::byte> raw_bytes(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

}  // namespace periprox::emulated
