#include "periprox/physical/iso_split.hpp"

#include <algorithm>
#include <cstring>

namespace periprox::physical {

bool iso_packets_fit(std::span<const usb::IsoPacket> packets, std::uint32_t length) {
  if (packets.empty() || packets.size() > kMaxIsoPackets) return false;
  return std::all_of(packets.begin(), packets.end(), [length](const usb::IsoPacket& packet) {
    return packet.offset <= length && packet.length <= length - packet.offset;
  });
}

bool iso_packets_packed(std::span<const usb::IsoPacket> packets) {
  std::uint64_t next = 0;
  for (const auto& packet : packets) {
    if (packet.offset != next) return false;
    next += packet.length;
  }
  return true;
}

std::uint64_t iso_packed_length(std::span<const usb::IsoPacket> packets) {
  std::uint64_t sum = 0;
  for (const auto& packet : packets) sum += packet.length;
  return sum;
}

std::vector<IsoPiece> split_iso(std::span<const usb::IsoPacket> packets, std::size_t most) {
  std::vector<IsoPiece> pieces;
  std::uint32_t offset = 0;
  for (std::size_t first = 0; first < packets.size(); first += most) {
    const auto run = packets.subspan(first, std::min(most, packets.size() - first));
    const auto length = static_cast<std::uint32_t>(iso_packed_length(run));
    pieces.push_back({first, run.size(), offset, length});
    offset += length;
  }
  return pieces;
}

void pack_iso(std::span<const usb::IsoPacket> packets, Bytes sparse, MutableBytes packed) {
  std::size_t place = 0;
  for (const auto& packet : packets) {
    std::memcpy(packed.data() + place, sparse.data() + packet.offset, packet.length);
    place += packet.length;
  }
}

void spread_iso(std::span<const usb::IsoPacket> packets, Bytes packed, MutableBytes sparse) {
  std::size_t place = 0;
  for (const auto& packet : packets) {
    std::memcpy(sparse.data() + packet.offset, packed.data() + place, packet.actual_length);
    place += packet.length;
  }
}

}  // namespace periprox::physical
