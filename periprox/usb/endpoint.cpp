// What an endpoint descriptor and its companion say together about sizes and periods.
#include <algorithm>

#include "periprox/usb/configuration.hpp"

namespace periprox::usb {
namespace {

// Limits of fields that a device may overstate: table 9-26 of USB 3.2 for the companion, and 192
// packets of 1024 bytes for what two lanes of Gen 2 carry in one service interval (8.12.6).
constexpr std::uint32_t kMaxBurst = 15;
constexpr std::uint32_t kMaxMult = 2;
constexpr std::uint32_t kMaxSspBytesPerInterval = 192 * 1024;
constexpr std::uint8_t kMaxIntervalExponent = 16;

/// dwBytesPerInterval of the SuperSpeedPlus companion, which stands among the raw descriptors.
std::optional<std::uint32_t> ssp_bytes_per_interval(const Endpoint& endpoint) {
  for (const auto& raw : endpoint.extra) {
    const auto companion = read_as<SspIsoEndpointCompanionDescriptor>(raw);
    if (companion && companion->bDescriptorType ==
                         static_cast<std::uint8_t>(DescriptorType::SspIsoEndpointCompanion)) {
      return std::min<std::uint32_t>(companion->dwBytesPerInterval, kMaxSspBytesPerInterval);
    }
  }
  return std::nullopt;
}

bool is_periodic(TransferType type) {
  return type == TransferType::Isochronous || type == TransferType::Interrupt;
}

/// 1 to 3 packets in a microframe: wMaxPacketSize bits 11-12 of a periodic high-speed endpoint.
std::uint32_t high_bandwidth_packets(const EndpointDescriptor& descriptor) {
  const std::uint32_t additional = (descriptor.wMaxPacketSize >> 11) & 3;
  return 1 + std::min(additional, kMaxMult);
}

std::uint32_t burst_packets(const SsEndpointCompanionDescriptor& companion, TransferType type) {
  const auto burst = 1 + std::min<std::uint32_t>(companion.bMaxBurst, kMaxBurst);
  if (type != TransferType::Isochronous) return burst;
  return burst * (1 + std::min<std::uint32_t>(companion.bmAttributes & 3, kMaxMult));
}

}  // namespace

std::uint32_t Endpoint::bytes_per_interval(Speed speed) const {
  if (is_super(speed)) {
    if (!companion) return max_packet_size();
    if (type() == TransferType::Isochronous) {
      if (const auto bytes = ssp_bytes_per_interval(*this)) return *bytes;
    }
    return max_packet_size() * burst_packets(*companion, type());
  }
  if (uses_microframes(speed) && is_periodic(type())) {
    return max_packet_size() * high_bandwidth_packets(descriptor);
  }
  return max_packet_size();
}

std::uint32_t Endpoint::interval(Speed speed) const {
  if (!is_periodic(type())) return 0;
  const auto raw = std::max<std::uint8_t>(descriptor.bInterval, 1);
  if (!uses_microframes(speed) && type() == TransferType::Interrupt) return raw;
  return 1U << (std::min(raw, kMaxIntervalExponent) - 1);
}

}  // namespace periprox::usb
