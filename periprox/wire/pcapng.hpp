// pcapng, the file format of captures, as it is written here: blocks, little-endian.
//
// A file is a section header, then an interface description for each device, then packets, and
// statistics at the end (draft-ietf-opsawg-pcapng, sections 4.1 to 4.6). Every block carries its
// length at both ends and is a multiple of four bytes, so that a file can be cut between any two
// blocks. What reads it, in either byte order, is CaptureReader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/endian.hpp"

namespace periprox::wire::pcapng {

enum class BlockType : std::uint32_t {
  Interface = 1,
  Statistics = 5,
  Packet = 6,
  Section = 0x0a0d0d0a,
};

/// The link types that carry USB traffic (tcpdump.org/linktypes.html).
enum class LinkType : std::uint16_t {
  UsbLinux = 189,         ///< usbmon's header of 48 bytes.
  UsbLinuxMmapped = 220,  ///< usbmon's header of 64 bytes: what PeriProx writes.
  UsbPcap = 249,          ///< USBPcap on Windows.
};

inline constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;

/// Option codes; which block an option belongs to decides what its number means.
enum class Option : std::uint16_t {
  End = 0,
  Comment = 1,
  InterfaceName = 2,
  InterfaceDescription = 3,
  SectionApplication = 4,
  PacketDropCount = 4,
  StatisticsReceived = 4,
  StatisticsDropped = 5,
  InterfaceSpeed = 8,
  InterfaceTimeResolution = 9,
};

struct BlockHead {
  le32 type{};
  le32 total_length{};
};
static_assert(sizeof(BlockHead) == 8);

struct OptionHead {
  le16 code{};
  le16 length{};
};
static_assert(sizeof(OptionHead) == 4);

struct PacketHead {
  BlockHead block;
  le32 interface_id{};
  le32 time_high{};
  le32 time_low{};
  le32 captured_length{};
  le32 original_length{};
};
static_assert(sizeof(PacketHead) == 28);

/// One source of packets: here, one device.
struct InterfaceInfo {
  LinkType link_type = LinkType::UsbLinuxMmapped;
  std::uint32_t snap_length = 0;  ///< Most bytes of a packet; 0 = no limit.
  std::string name;
  std::string description;
  std::uint64_t bits_per_second = 0;  ///< 0 = unknown.

  friend bool operator==(const InterfaceInfo&, const InterfaceInfo&) = default;
};

[[nodiscard]] std::vector<std::byte> encode_section(std::string_view application);
/// An interface whose times are in nanoseconds. Names are cut at kMaxText.
[[nodiscard]] std::vector<std::byte> encode_interface(const InterfaceInfo& interface);
/// What an interface had seen by `time` (nanoseconds since 1970): packets in all, and those of them
/// that are not in the file.
[[nodiscard]] std::vector<std::byte> encode_statistics(std::uint32_t interface_id,
                                                       std::uint64_t time, std::uint64_t received,
                                                       std::uint64_t dropped);

/// A packet block that is about to be written in place, data last of all, by whoever has it.
struct PacketBlock {
  std::uint32_t interface_id = 0;
  std::uint64_t time = 0;                 ///< Nanoseconds since 1970.
  std::uint32_t captured_length = 0;      ///< Bytes of the packet that are in the block.
  std::uint32_t original_length = 0;      ///< Bytes that there were.
  std::uint64_t dropped = 0;              ///< Packets of this interface lost since the one before.
  std::span<const std::string> comments;  ///< Each cut at kMaxText.

  /// Bytes that the whole block takes.
  [[nodiscard]] std::size_t size() const;
  /// Writes everything but the packet into `room` (size() bytes); returns the place of the packet.
  MutableBytes write(MutableBytes room) const;
};

/// Longest name or comment, in bytes.
inline constexpr std::size_t kMaxText = 1024;

}  // namespace periprox::wire::pcapng
