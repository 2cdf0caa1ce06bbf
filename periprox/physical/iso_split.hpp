// How one isochronous transfer becomes several URBs of usbfs, and back.
//
// usbfs takes at most 128 packets in one URB and lets them follow each other without gaps; USB/IP
// allows 1024 packets at any offset. So a transfer is cut into pieces, and where its packets are
// not packed already its data goes through a packed copy.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::physical {

/// A run of packets that goes into one URB of usbfs.
struct IsoPiece {
  std::size_t first_packet = 0;
  std::size_t packet_count = 0;
  std::uint32_t offset = 0;  ///< In the packed data.
  std::uint32_t length = 0;
  friend bool operator==(const IsoPiece&, const IsoPiece&) = default;
};

/// The most packets one transfer may have (Linux: USBIP_MAX_ISO_PACKETS).
inline constexpr std::size_t kMaxIsoPackets = 1024;

/// True when there are 1 to kMaxIsoPackets packets and each lies within `length` bytes.
[[nodiscard]] bool iso_packets_fit(std::span<const usb::IsoPacket> packets, std::uint32_t length);
/// True when every packet starts where the one before ends, the first at 0.
[[nodiscard]] bool iso_packets_packed(std::span<const usb::IsoPacket> packets);
/// The sum of the lengths; packets that fit make at most kMaxIsoPackets times 4 GiB.
[[nodiscard]] std::uint64_t iso_packed_length(std::span<const usb::IsoPacket> packets);
/// Cuts packets whose packed length fits 32 bits into pieces of at most `most` packets, in order.
[[nodiscard]] std::vector<IsoPiece> split_iso(std::span<const usb::IsoPacket> packets,
                                              std::size_t most);

/// OUT: copies each packet's data from its offset in `sparse` to its place in `packed`.
void pack_iso(std::span<const usb::IsoPacket> packets, Bytes sparse, MutableBytes packed);
/// IN: copies what each packet received from its place in `packed` to its offset in `sparse`.
void spread_iso(std::span<const usb::IsoPacket> packets, Bytes packed, MutableBytes sparse);

}  // namespace periprox::physical
