#include "periprox/usb/setup_packet.hpp"

namespace periprox::usb {
namespace {

SetupPacket standard(std::uint8_t bmRequestType, StandardRequest request, std::uint16_t value,
                     std::uint16_t index, std::uint16_t length) {
  return {bmRequestType, static_cast<std::uint8_t>(request), value, index, length};
}

}  // namespace

SetupPacket SetupPacket::get_descriptor(std::uint8_t type, std::uint8_t index, std::uint16_t length,
                                        std::uint16_t language) {
  return standard(0x80, StandardRequest::GetDescriptor,
                  static_cast<std::uint16_t>(type << 8 | index), language, length);
}

SetupPacket SetupPacket::set_configuration(std::uint8_t value) {
  return standard(0x00, StandardRequest::SetConfiguration, value, 0, 0);
}

SetupPacket SetupPacket::set_interface(std::uint8_t number, std::uint8_t alternate) {
  return standard(0x01, StandardRequest::SetInterface, alternate, number, 0);
}

SetupPacket SetupPacket::clear_halt(EndpointAddress endpoint) {
  return standard(0x02, StandardRequest::ClearFeature, kFeatureEndpointHalt, endpoint.value(), 0);
}

SetupPacket SetupPacket::port_reset() {
  return standard(0x23, StandardRequest::SetFeature, kFeaturePortReset, 0, 0);
}

}  // namespace periprox::usb
