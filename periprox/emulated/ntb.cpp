#include "periprox/emulated/ntb.hpp"

#include <algorithm>
#include <string>

namespace periprox::emulated::ntb {
namespace {

tl::unexpected<Error> malformed(std::size_t offset, std::string why) {
  return fail(Error::Kind::Malformed, "transfer block, byte " + std::to_string(offset),
              std::move(why));
}

std::size_t aligned(std::size_t position) {
  return (position + kAlignment - 1) / kAlignment * kAlignment;
}

/// Bytes of a table with `count` pointers and the one that ends it.
std::size_t table_size(std::size_t count) {
  return sizeof(Ndp16) + (count + 1) * sizeof(DatagramPointer);
}

/// Reads the table at `index` into `frames`; returns the index of the next one, 0 for none.
Result<std::uint16_t> parse_table(Bytes block, std::size_t index, std::vector<Bytes>& frames) {
  if (index < sizeof(Nth16) || index % kAlignment != 0 || index > block.size()) {
    return malformed(index, "no place for a datagram pointer table");
  }
  const auto table = read_as<Ndp16>(block.subspan(index));
  if (!table || table->dwSignature != Ndp16{}.dwSignature) {
    return malformed(index, "this is no datagram pointer table without CRC");
  }
  const std::size_t length = table->wLength;
  if (length < table_size(1) || length % kAlignment != 0 || length > block.size() - index) {
    return malformed(index, "wLength is " + std::to_string(length));
  }
  ByteReader pointers(block.subspan(index, length).subspan(sizeof(Ndp16)));
  while (const auto pointer = pointers.take<DatagramPointer>()) {
    const std::size_t start = pointer->wDatagramIndex;
    const std::size_t size = pointer->wDatagramLength;
    if (start == 0 || size == 0) break;
    if (start < sizeof(Nth16) || start > block.size() || size > block.size() - start) {
      return malformed(index, "a frame of " + std::to_string(size) + " bytes at " +
                                  std::to_string(start) + " is not within the block");
    }
    if (frames.size() == kMaxDatagrams) return malformed(index, "too many frames");
    frames.push_back(block.subspan(start, size));
  }
  return std::uint16_t{table->wNextNdpIndex};
}

}  // namespace

Result<std::vector<Bytes>> parse(Bytes block) {
  const auto header = read_as<Nth16>(block);
  if (!header || header->dwSignature != Nth16{}.dwSignature ||
      header->wHeaderLength != sizeof(Nth16)) {
    return malformed(0, "this is no 16-bit transfer header");
  }
  // A length of 0 means as much as the transfer has (3.2.1).
  const std::size_t told = header->wBlockLength;
  const std::size_t length = told == 0 ? block.size() : told;
  if (length < sizeof(Nth16) || length > block.size()) {
    return malformed(0, "wBlockLength is " + std::to_string(length) + ", but there are " +
                            std::to_string(block.size()) + " bytes");
  }
  block = block.first(length);
  std::vector<Bytes> frames;
  std::size_t index = header->wNdpIndex;
  for (std::size_t tables = 0; index != 0; ++tables) {
    if (tables == kMaxTables) return malformed(index, "too many datagram pointer tables");
    const auto next = parse_table(block, index, frames);
    if (!next) return tl::make_unexpected(next.error());
    index = *next;
  }
  return frames;
}

void Builder::begin(std::uint32_t limit) {
  limit_ = std::min(limit, kMaxBlockSize);
  pointers_.clear();
  block_.assign(sizeof(Nth16), std::byte{});
}

std::uint32_t Builder::room() const {
  // The table comes after the frame, with some bytes between them to align it.
  const auto taken = aligned(block_.size()) + kAlignment - 1 + table_size(pointers_.size() + 1);
  if (pointers_.size() == kMaxDatagrams || taken >= limit_) return 0;
  return static_cast<std::uint32_t>(limit_ - taken);
}

void Builder::add(Bytes frame) {
  block_.resize(aligned(block_.size()));
  pointers_.push_back({.wDatagramIndex = static_cast<std::uint16_t>(block_.size()),
                       .wDatagramLength = static_cast<std::uint16_t>(frame.size())});
  block_.insert(block_.end(), frame.begin(), frame.end());
}

Bytes Builder::finish(std::uint16_t sequence) {
  block_.resize(aligned(block_.size()));
  const auto append = [this](const auto& value) {
    const auto bytes = bytes_of(value);
    block_.insert(block_.end(), bytes.begin(), bytes.end());
  };
  const auto index = static_cast<std::uint16_t>(block_.size());
  append(Ndp16{.wLength = static_cast<std::uint16_t>(table_size(pointers_.size()))});
  for (const auto& pointer : pointers_) append(pointer);
  append(DatagramPointer{});
  const Nth16 header{.wSequence = sequence,
                     .wBlockLength = static_cast<std::uint16_t>(block_.size()),
                     .wNdpIndex = index};
  std::ranges::copy(bytes_of(header), block_.begin());
  return block_;
}

}  // namespace periprox::emulated::ntb
