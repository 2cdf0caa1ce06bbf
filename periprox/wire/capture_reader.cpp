#include "periprox/wire/capture_reader.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "periprox/wire/usbmon.hpp"
#include "periprox/wire/usbpcap.hpp"

namespace periprox::wire {
namespace {

using pcapng::BlockType;
using pcapng::LinkType;
using pcapng::Option;

constexpr std::size_t kReadSize = std::size_t{256} << 10;
constexpr std::uint64_t kNanoseconds = 1'000'000'000;

// The classic format (wiki.wireshark.org/Development/LibpcapFileFormat).
constexpr std::uint32_t kPcapMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kPcapNanoseconds = 0xa1b23c4d;
constexpr std::size_t kPcapHead = 24;
constexpr std::size_t kPcapPacketHead = 16;

constexpr std::size_t kBlockFrame = sizeof(pcapng::BlockHead) + sizeof(le32);

std::uint64_t ticks_of_resolution(std::uint8_t resolution) {
  const unsigned exponent = resolution & 0x7f;
  if ((resolution & 0x80) != 0) return exponent < 63 ? std::uint64_t{1} << exponent : 0;
  std::uint64_t ticks = 1;
  if (exponent > 19) return 0;
  for (unsigned i = 0; i < exponent; ++i) ticks *= 10;
  return ticks;
}

std::uint64_t to_nanoseconds(std::uint64_t ticks, std::uint64_t ticks_per_second) {
  if (ticks_per_second == kNanoseconds) return ticks;
  const std::uint64_t seconds = ticks / ticks_per_second;
  const std::uint64_t rest = ticks % ticks_per_second;
  // Resolutions beyond the nanosecond lose what is below one.
  const std::uint64_t part = ticks_per_second > kNanoseconds
                                 ? rest / (ticks_per_second / kNanoseconds)
                                 : rest * kNanoseconds / ticks_per_second;
  return seconds * kNanoseconds + part;
}

}  // namespace

MutableBytes CaptureReader::room() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() - end_ < kReadSize / 4 || buffer_.size() - begin_ < wanted_) {
    // What is pending moves to the front; the buffer grows to what the block that began needs.
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= std::exchange(begin_, 0);
    const auto needed = std::max(wanted_, end_) + kReadSize;
    if (buffer_.size() < needed) buffer_.resize(needed);
  }
  return MutableBytes(buffer_).subspan(end_);
}

void CaptureReader::filled(std::size_t count) { end_ += std::min(count, buffer_.size() - end_); }

void CaptureReader::take(std::size_t count) {
  begin_ += count;
  offset_ += count;
  wanted_ = 0;
}

tl::unexpected<Error> CaptureReader::malformed(std::string why) const {
  return fail(Error::Kind::Malformed, "cannot read the capture at byte " + std::to_string(offset_),
              std::move(why));
}

std::uint32_t CaptureReader::word(Bytes bytes, std::size_t offset) const {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  const bool is_native = (std::endian::native == std::endian::big) == big_endian_;
  return is_native ? value : __builtin_bswap32(value);
}

std::uint16_t CaptureReader::half(Bytes bytes, std::size_t offset) const {
  std::uint16_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  const bool is_native = (std::endian::native == std::endian::big) == big_endian_;
  return is_native ? value : __builtin_bswap16(value);
}

Result<std::optional<CapturedPacket>> CaptureReader::next() {
  if (failed_) return malformed("an earlier part of it made no sense");
  auto result = [this]() -> Result<std::optional<CapturedPacket>> {
    if (format_ == Format::Unknown) {
      const auto known = recognise();
      if (!known) return tl::make_unexpected(known.error());
      if (!*known) return std::nullopt;
    }
    return format_ == Format::Pcap ? next_pcap() : next_block();
  }();
  failed_ = !result;
  return result;
}

Result<bool> CaptureReader::recognise() {
  const auto bytes = pending();
  if (bytes.size() < sizeof(std::uint32_t)) return false;
  // The section header's type reads the same in both orders.
  if (word(bytes, 0) == static_cast<std::uint32_t>(BlockType::Section)) {
    format_ = Format::Pcapng;
    return true;
  }
  for (const bool big_endian : {false, true}) {
    big_endian_ = big_endian;
    const auto magic = word(bytes, 0);
    if (magic != kPcapMicroseconds && magic != kPcapNanoseconds) continue;
    if (bytes.size() < kPcapHead) return false;
    interfaces_.push_back({.link_type = static_cast<LinkType>(word(bytes, 20) & 0xffff),
                           .snap_length = word(bytes, 16)});
    clocks_.push_back({.ticks_per_second = magic == kPcapNanoseconds ? kNanoseconds : 1'000'000});
    format_ = Format::Pcap;
    take(kPcapHead);
    return true;
  }
  return malformed("it starts neither as a pcapng nor as a pcap file");
}

Result<std::optional<CapturedPacket>> CaptureReader::next_pcap() {
  const auto bytes = pending();
  if (bytes.size() < kPcapPacketHead) return std::nullopt;
  const std::size_t length = word(bytes, 8);
  if (length > kMaxBlock) return malformed("a packet of " + std::to_string(length) + " bytes");
  if (bytes.size() < kPcapPacketHead + length) {
    wanted_ = kPcapPacketHead + length;
    return std::nullopt;
  }
  CapturedPacket packet{.time = word(bytes, 0) * kNanoseconds +
                                to_nanoseconds(word(bytes, 4), clocks_.front().ticks_per_second),
                        .data = bytes.subspan(kPcapPacketHead, length),
                        .original_length = word(bytes, 12)};
  decode_usb(packet);
  take(kPcapPacketHead + length);
  return packet;
}

Result<std::optional<CapturedPacket>> CaptureReader::next_block() {
  while (true) {
    const auto bytes = pending();
    if (bytes.size() < kBlockFrame) return std::nullopt;
    const bool is_section = word(bytes, 0) == static_cast<std::uint32_t>(BlockType::Section);
    if (is_section) {
      // A section may have another byte order than the one before; only its magic tells.
      big_endian_ = false;
      if (word(bytes, 8) != pcapng::kByteOrderMagic) big_endian_ = true;
      if (word(bytes, 8) != pcapng::kByteOrderMagic)
        return malformed("a section without the byte-order magic");
    } else if (offset_ == 0) {
      return malformed("no section header at the start");
    }
    const std::size_t total = word(bytes, 4);
    if (total < kBlockFrame || total > kMaxBlock || total % 4 != 0)
      return malformed("a block of " + std::to_string(total) + " bytes");
    if (bytes.size() < total) {
      wanted_ = total;
      return std::nullopt;
    }
    if (word(bytes, total - sizeof(le32)) != total)
      return malformed("a block whose two lengths differ");
    auto packet =
        read_block(word(bytes, 0), bytes.subspan(sizeof(pcapng::BlockHead), total - kBlockFrame));
    if (!packet) return packet;
    take(total);
    if (*packet) return packet;
  }
}

Result<std::optional<CapturedPacket>> CaptureReader::read_block(std::uint32_t type, Bytes body) {
  Result<void> done;
  switch (static_cast<BlockType>(type)) {
    case BlockType::Section:
      done = read_section(body);
      break;
    case BlockType::Interface:
      done = read_interface(body);
      break;
    case BlockType::Statistics:
      read_statistics(body);
      break;
    case BlockType::Packet: {
      auto packet = read_packet(body);
      if (!packet) return forward_error(packet);
      return std::move(*packet);
    }
    default:
      break;  // Names, secrets, somebody's own: nothing that is needed here.
  }
  if (!done) return forward_error(done);
  return std::nullopt;
}

Result<void> CaptureReader::read_section(Bytes body) {
  constexpr std::size_t kBody = 16;
  if (body.size() < kBody) return malformed("a section header that is too short");
  if (half(body, 4) != 1) return malformed("pcapng of another major version");
  section_first_ = interfaces_.size();
  return {};
}

template <typename Visit>
void CaptureReader::each_option(Bytes options, Visit visit) const {
  while (options.size() >= sizeof(pcapng::OptionHead)) {
    const auto code = static_cast<Option>(half(options, 0));
    const std::size_t length = half(options, 2);
    if (code == Option::End) return;
    options = options.subspan(sizeof(pcapng::OptionHead));
    if (length > options.size()) return;
    visit(code, options.first(length));
    options = options.subspan(std::min(options.size(), (length + 3) & ~std::size_t{3}));
  }
}

Result<void> CaptureReader::read_interface(Bytes body) {
  constexpr std::size_t kBody = 8;
  constexpr Option kTimeOffset{14};
  if (body.size() < kBody) return malformed("an interface description that is too short");
  if (interfaces_.size() == kMaxInterfaces) return malformed("too many interfaces");
  pcapng::InterfaceInfo interface {
    .link_type = static_cast<LinkType>(half(body, 0)), .snap_length = word(body, 4)
  };
  Clock clock;
  const auto text = [](Bytes value) {
    return std::string(reinterpret_cast<const char*>(value.data()),
                       std::min(value.size(), pcapng::kMaxText));
  };
  const auto number = [this](Bytes value) {
    const std::uint64_t first = word(value, 0);
    const std::uint64_t second = word(value, 4);
    return big_endian_ ? first << 32 | second : second << 32 | first;
  };
  each_option(body.subspan(kBody), [&](Option code, Bytes value) {
    if (code == Option::InterfaceName) interface.name = text(value);
    if (code == Option::InterfaceDescription) interface.description = text(value);
    if (code == Option::InterfaceSpeed && value.size() == 8)
      interface.bits_per_second = number(value);
    if (code == Option::InterfaceTimeResolution && value.size() == 1)
      clock.ticks_per_second = ticks_of_resolution(std::to_integer<std::uint8_t>(value[0]));
    if (code == kTimeOffset && value.size() == 8)
      clock.offset_seconds = static_cast<std::int64_t>(number(value));
  });
  if (clock.ticks_per_second == 0) return malformed("an interface with an absurd time resolution");
  interfaces_.push_back(std::move(interface));
  clocks_.push_back(clock);
  return {};
}

Result<CapturedPacket> CaptureReader::read_packet(Bytes body) {
  constexpr std::size_t kBody = sizeof(pcapng::PacketHead) - sizeof(pcapng::BlockHead);
  if (body.size() < kBody) return malformed("a packet block that is too short");
  const std::size_t interface_id = section_first_ + word(body, 0);
  if (interface_id >= interfaces_.size()) return malformed("a packet of an unknown interface");
  const std::size_t captured = word(body, 12);
  if (captured > body.size() - kBody) return malformed("a packet that is longer than its block");
  const auto& clock = clocks_[interface_id];
  const auto ticks = std::uint64_t{word(body, 4)} << 32 | word(body, 8);
  CapturedPacket packet{.interface_id = static_cast<std::uint32_t>(interface_id),
                        .time = to_nanoseconds(ticks, clock.ticks_per_second) +
                                static_cast<std::uint64_t>(clock.offset_seconds) * kNanoseconds,
                        .data = body.subspan(kBody, captured),
                        .original_length = word(body, 16)};
  comments_.clear();
  const auto options =
      body.subspan(std::min(body.size(), kBody + ((captured + 3) & ~std::size_t{3})));
  each_option(options, [&](Option code, Bytes value) {
    if (code == Option::Comment && comments_.size() < kMaxComments)
      comments_.emplace_back(reinterpret_cast<const char*>(value.data()), value.size());
    if (code == Option::PacketDropCount && value.size() == 8)
      packet.dropped = big_endian_ ? word(value, 4) : word(value, 0);
  });
  packet.comments = comments_;
  decode_usb(packet);
  return packet;
}

void CaptureReader::read_statistics(Bytes body) {
  constexpr std::size_t kBody = 12;
  if (body.size() < kBody) return;
  each_option(body.subspan(kBody), [this](Option code, Bytes value) {
    if (code == Option::StatisticsDropped && value.size() == 8)
      dropped_ += big_endian_ ? word(value, 4) : word(value, 0);
  });
}

void CaptureReader::decode_usb(CapturedPacket& packet) const {
  switch (interfaces_[packet.interface_id].link_type) {
    case LinkType::UsbLinuxMmapped:
      packet.usb = usbmon::decode(packet.data, true, big_endian_);
      break;
    case LinkType::UsbLinux:
      packet.usb = usbmon::decode(packet.data, false, big_endian_);
      break;
    case LinkType::UsbPcap:
      packet.usb = usbpcap::decode(packet.data);
      break;
  }
}

}  // namespace periprox::wire
