// Reads captures, whoever wrote them: pcapng in either byte order, and the classic pcap format.
//
// Sans-IO: whoever has the file reads into room(), says filled(), and asks for next() until that
// wants more bytes. So a file, a pipe that is still being written and a fuzzer are the same to it.
// A file may hold anything: every length is checked before use, and a block is never larger than
// kMaxBlock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/result.hpp"
#include "periprox/wire/pcapng.hpp"
#include "periprox/wire/usb_record.hpp"

namespace periprox::wire {

/// One packet of a capture. All views are valid until the reader's next call.
struct CapturedPacket {
  std::uint32_t interface_id = 0;  ///< Counted through the whole file, over all its sections.
  std::uint64_t time = 0;          ///< Nanoseconds since 1970.
  Bytes data;
  std::uint32_t original_length = 0;
  std::uint64_t dropped = 0;  ///< What the file says was lost before this packet.
  std::span<const std::string_view> comments;
  /// The USB record in it; empty when it is something else.
  std::optional<UsbRecord> usb;
};

/// Takes a capture apart. Not thread-safe.
class CaptureReader {
 public:
  CaptureReader() = default;

  /// Where the next bytes of the file go; at least one byte.
  MutableBytes room();
  /// That many bytes were read into room().
  void filled(std::size_t count);

  /// The next packet; empty when more bytes are needed for one. Malformed, with the offset, for
  /// bytes that are no capture: nothing can be read any more then.
  Result<std::optional<CapturedPacket>> next();

  /// The interfaces so far, by their ids.
  [[nodiscard]] const std::vector<pcapng::InterfaceInfo>& interfaces() const { return interfaces_; }
  /// True when no byte is left over: a file that ends here ends between two packets.
  [[nodiscard]] bool at_boundary() const { return begin_ == end_; }
  /// Bytes that were taken apart so far.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  /// What the statistics in the file say was dropped, all interfaces together.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

  static constexpr std::size_t kMaxBlock = std::size_t{32} << 20;
  static constexpr std::size_t kMaxInterfaces = 65536;
  static constexpr std::size_t kMaxComments = 64;

 private:
  enum class Format : std::uint8_t { Unknown, Pcap, Pcapng };
  struct Clock {
    std::uint64_t ticks_per_second = 1'000'000;
    std::int64_t offset_seconds = 0;
  };

  [[nodiscard]] Bytes pending() const { return Bytes(buffer_).subspan(begin_, end_ - begin_); }
  void take(std::size_t count);
  [[nodiscard]] tl::unexpected<Error> malformed(std::string why) const;
  [[nodiscard]] std::uint32_t word(Bytes bytes, std::size_t offset) const;
  [[nodiscard]] std::uint16_t half(Bytes bytes, std::size_t offset) const;

  Result<bool> recognise();
  Result<std::optional<CapturedPacket>> next_pcap();
  Result<std::optional<CapturedPacket>> next_block();
  Result<std::optional<CapturedPacket>> read_block(std::uint32_t type, Bytes body);
  Result<void> read_section(Bytes body);
  Result<void> read_interface(Bytes body);
  Result<CapturedPacket> read_packet(Bytes body);
  void read_statistics(Bytes body);
  void decode_usb(CapturedPacket& packet) const;
  template <typename Visit>
  void each_option(Bytes options, Visit visit) const;

  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;  // What is pending lies between these.
  std::size_t end_ = 0;
  std::size_t wanted_ = 0;  // Bytes that the block which has begun needs in all.
  std::uint64_t offset_ = 0;
  Format format_ = Format::Unknown;
  bool big_endian_ = false;
  bool failed_ = false;
  std::size_t section_first_ = 0;  // The first interface of this section.
  std::vector<pcapng::InterfaceInfo> interfaces_;
  std::vector<Clock> clocks_;
  std::vector<std::string_view> comments_;
  std::uint64_t dropped_ = 0;
};

}  // namespace periprox::wire
