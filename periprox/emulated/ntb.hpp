// The transfer blocks of NCM: many Ethernet frames in one bulk transfer (Universal Serial Bus
// Communications Class Subclass Specification for Network Control Model Devices 1.0, chapter 3).
//
//     NTH16 | frame | frame | ... | NDP16 with (index, length) of each frame, ended by (0, 0)
//
// Both directions are pure: bytes in, bytes out.
#pragma once

#include <cstdint>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/endian.hpp"
#include "periprox/base/result.hpp"

namespace periprox::emulated::ntb {

struct Nth16 {
  le32 dwSignature{0x484d434e};  // "NCMH"
  le16 wHeaderLength{12};
  le16 wSequence{};
  le16 wBlockLength{};
  le16 wNdpIndex{};
};
static_assert(sizeof(Nth16) == 12);

struct Ndp16 {
  le32 dwSignature{0x304d434e};  // "NCM0": frames without a CRC
  le16 wLength{};
  le16 wNextNdpIndex{};
};
static_assert(sizeof(Ndp16) == 8);

struct DatagramPointer {
  le16 wDatagramIndex{};
  le16 wDatagramLength{};
};
static_assert(sizeof(DatagramPointer) == 4);

/// Frames begin, and datagram pointer tables stand, at multiples of this.
inline constexpr std::uint32_t kAlignment = 4;
/// Largest block that we take or make; a 16-bit block is never larger.
inline constexpr std::uint32_t kMaxBlockSize = 16384;
inline constexpr std::size_t kMaxTables = 16;
inline constexpr std::size_t kMaxDatagrams = 512;

/// The frames in a block, as views into it. Malformed says where the block is wrong.
[[nodiscard]] Result<std::vector<Bytes>> parse(Bytes block);

/// Builds one block of at most `limit` bytes in its own memory.
class Builder {
 public:
  /// Begins an empty block; `limit` is brought down to kMaxBlockSize.
  void begin(std::uint32_t limit);
  /// Bytes of the largest frame that still fits; 0 when none does.
  [[nodiscard]] std::uint32_t room() const;
  /// Appends a frame of at most room() bytes.
  void add(Bytes frame);
  [[nodiscard]] bool is_empty() const { return pointers_.empty(); }
  /// The block; valid until begin().
  [[nodiscard]] Bytes finish(std::uint16_t sequence);

 private:
  std::vector<std::byte> block_;
  std::vector<DatagramPointer> pointers_;
  std::uint32_t limit_ = 0;
};

}  // namespace periprox::emulated::ntb
