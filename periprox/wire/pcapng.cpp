#include "periprox/wire/pcapng.hpp"

#include <algorithm>
#include <cstring>

namespace periprox::wire::pcapng {
namespace {

constexpr std::uint8_t kNanoseconds = 9;  // 10^-9 s

struct SectionBody {
  le32 byte_order_magic{kByteOrderMagic};
  le16 major{1};
  le16 minor{0};
  sle64 section_length{-1};  // Not known while it is written.
};

struct InterfaceBody {
  le16 link_type{};
  le16 reserved{};
  le32 snap_length{};
};

struct StatisticsBody {
  le32 interface_id{};
  le32 time_high{};
  le32 time_low{};
};

constexpr std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

std::string_view cut(std::string_view text) { return text.substr(0, kMaxText); }

/// Collects a block that is not on the data path.
class BlockWriter {
 public:
  explicit BlockWriter(BlockType type) {
    writer_.put(BlockHead{.type = static_cast<std::uint32_t>(type)});
  }
  template <typename T>
  BlockWriter& put(const T& value) {
    writer_.put(value);
    return *this;
  }
  BlockWriter& option(Option code, Bytes value) {
    writer_.put(
        OptionHead{static_cast<std::uint16_t>(code), static_cast<std::uint16_t>(value.size())});
    writer_.put_bytes(value);
    constexpr std::byte kZeros[4]{};
    writer_.put_bytes(std::span(kZeros).first(padded(value.size()) - value.size()));
    has_options_ = true;
    return *this;
  }
  BlockWriter& text(Option code, std::string_view value) {
    if (!value.empty()) option(code, bytes_of_text(cut(value)));
    return *this;
  }
  std::vector<std::byte> finish() {
    if (has_options_) writer_.put(OptionHead{});
    const le32 total(static_cast<std::uint32_t>(writer_.bytes().size() + sizeof(le32)));
    writer_.put(total);
    auto bytes = writer_.release();
    std::memcpy(bytes.data() + offsetof(BlockHead, total_length), &total, sizeof(total));
    return bytes;
  }

 private:
  ByteWriter writer_;
  bool has_options_ = false;
};

std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }
std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

/// Writes into memory that is known to be large enough.
class Cursor {
 public:
  explicit Cursor(std::byte* place) : place_(place) {}
  template <typename T>
  void put(const T& value) {
    std::memcpy(place_, &value, sizeof(T));
    place_ += sizeof(T);
  }
  void put_padded(Bytes value) {
    if (!value.empty()) std::memcpy(place_, value.data(), value.size());
    place_ += value.size();
    pad(value.size());
  }
  void pad(std::size_t size) {
    for (; (size & 3) != 0; ++size) *place_++ = std::byte{0};
  }
  void skip(std::size_t size) { place_ += size; }

 private:
  std::byte* place_;
};

std::size_t options_size(const PacketBlock& block) {
  std::size_t size = 0;
  if (block.dropped != 0) size += sizeof(OptionHead) + sizeof(le64);
  for (const auto& comment : block.comments)
    size += sizeof(OptionHead) + padded(cut(comment).size());
  return size == 0 ? 0 : size + sizeof(OptionHead);
}

}  // namespace

std::vector<std::byte> encode_section(std::string_view application) {
  return BlockWriter(BlockType::Section)
      .put(SectionBody{})
      .text(Option::SectionApplication, application)
      .finish();
}

std::vector<std::byte> encode_interface(const InterfaceInfo& interface) {
  BlockWriter block(BlockType::Interface);
  block.put(InterfaceBody{.link_type = static_cast<std::uint16_t>(interface.link_type),
                          .snap_length = interface.snap_length});
  block.text(Option::InterfaceName, interface.name);
  block.text(Option::InterfaceDescription, interface.description);
  if (interface.bits_per_second != 0)
    block.option(Option::InterfaceSpeed, bytes_of(le64(interface.bits_per_second)));
  return block.option(Option::InterfaceTimeResolution, bytes_of(kNanoseconds)).finish();
}

std::vector<std::byte> encode_statistics(std::uint32_t interface_id, std::uint64_t time,
                                         std::uint64_t received, std::uint64_t dropped) {
  return BlockWriter(BlockType::Statistics)
      .put(StatisticsBody{
          .interface_id = interface_id, .time_high = high(time), .time_low = low(time)})
      .option(Option::StatisticsReceived, bytes_of(le64(received)))
      .option(Option::StatisticsDropped, bytes_of(le64(dropped)))
      .finish();
}

std::size_t PacketBlock::size() const {
  return sizeof(PacketHead) + padded(captured_length) + options_size(*this) + sizeof(le32);
}

MutableBytes PacketBlock::write(MutableBytes room) const {
  const auto total = static_cast<std::uint32_t>(size());
  Cursor cursor(room.data());
  cursor.put(PacketHead{
      .block = {.type = static_cast<std::uint32_t>(BlockType::Packet), .total_length = total},
      .interface_id = interface_id,
      .time_high = high(time),
      .time_low = low(time),
      .captured_length = captured_length,
      .original_length = original_length});
  cursor.skip(captured_length);
  cursor.pad(captured_length);
  if (dropped != 0) {
    cursor.put(OptionHead{static_cast<std::uint16_t>(Option::PacketDropCount), sizeof(le64)});
    cursor.put(le64(dropped));
  }
  for (const auto& comment : comments) {
    const auto text = cut(comment);
    cursor.put(OptionHead{static_cast<std::uint16_t>(Option::Comment),
                          static_cast<std::uint16_t>(text.size())});
    cursor.put_padded(bytes_of_text(text));
  }
  if (dropped != 0 || !comments.empty()) cursor.put(OptionHead{});
  cursor.put(le32(total));
  return room.subspan(sizeof(PacketHead), captured_length);
}

}  // namespace periprox::wire::pcapng
