#include "periprox/wire/ring.hpp"

#include <algorithm>
#include <string>

namespace periprox::wire::ring {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kAlignment = 64;
static_assert(sizeof(ControlBlock) <= kPage);

struct Range {
  std::uint64_t offset;
  std::uint64_t size;
  [[nodiscard]] bool is_inside(std::uint64_t memory_size) const {
    return offset >= sizeof(ControlBlock) && offset % kAlignment == 0 && size <= memory_size &&
           offset <= memory_size - size;
  }
  [[nodiscard]] bool overlaps(const Range& other) const {
    return offset < other.offset + other.size && other.offset < offset + size;
  }
};

bool is_number_of_entries(std::uint32_t entries) {
  return std::has_single_bit(entries) && entries >= kFewestEntries && entries <= kMostEntries;
}

tl::unexpected<Error> no_ring(std::string why, std::string hint = {}) {
  return fail(Error::Kind::Malformed, "the shared memory is no ring", std::move(why),
              std::move(hint));
}

}  // namespace

std::uint16_t encode_flags(const usb::TransferFlags& flags) {
  return static_cast<std::uint16_t>((flags.short_not_ok ? kFlagShortNotOk : 0) |
                                    (flags.iso_asap ? kFlagIsoAsap : 0) |
                                    (flags.zero_packet ? kFlagZeroPacket : 0));
}

usb::TransferFlags decode_flags(std::uint16_t flags) {
  return {.short_not_ok = (flags & kFlagShortNotOk) != 0,
          .iso_asap = (flags & kFlagIsoAsap) != 0,
          .zero_packet = (flags & kFlagZeroPacket) != 0};
}

Packet encode_packet(const usb::IsoPacket& packet) {
  return {.offset = packet.offset,
          .length = packet.length,
          .actual_length = packet.actual_length,
          .status = usbip::encode_status(packet.status)};
}

usb::IsoPacket decode_packet(const Packet& packet) {
  return {.offset = packet.offset,
          .length = packet.length,
          .actual_length = packet.actual_length,
          .status = usbip::decode_status(packet.status)};
}

std::uint64_t memory_for(std::uint64_t arena_size, std::uint32_t entries) {
  return kPage + std::uint64_t{2} * entries * sizeof(Entry) + arena_size;
}

Result<Layout> plan_layout(std::uint64_t memory_size, std::uint32_t entries) {
  const auto least = memory_for(kSmallestArena, entries);
  if (!is_number_of_entries(entries) || memory_size < least || memory_size > kLargestMemory) {
    return fail(Error::Kind::Usage,
                std::to_string(memory_size) + " bytes cannot become a ring of " +
                    std::to_string(entries) + " entries",
                "it takes at least " + std::to_string(least) + " bytes, at most " +
                    std::to_string(kLargestMemory));
  }
  const auto ring_size = static_cast<std::uint32_t>(entries * sizeof(Entry));
  Layout layout{.memory_size = memory_size,
                .submissions_offset = kPage,
                .submissions_entries = entries,
                .completions_offset = static_cast<std::uint32_t>(kPage + ring_size),
                .completions_entries = entries,
                .urb_slots = entries};
  layout.arena_offset = layout.completions_offset + std::uint64_t{ring_size};
  layout.arena_size = (memory_size - layout.arena_offset) / kAlignment * kAlignment;
  return layout;
}

Header encode_header(const Layout& layout) {
  return {.memory_size = layout.memory_size,
          .submissions_offset = layout.submissions_offset,
          .submissions_entries = layout.submissions_entries,
          .completions_offset = layout.completions_offset,
          .completions_entries = layout.completions_entries,
          .arena_offset = layout.arena_offset,
          .arena_size = layout.arena_size,
          .urb_slots = layout.urb_slots};
}

Result<Layout> decode_header(const Header& header, std::uint64_t memory_size) {
  if (header.magic != kMagic) return no_ring("its first bytes are not PPRXRING");
  if (header.version >> 16 != kVersion >> 16) {
    return fail(Error::Kind::NotSupported, "the shared memory is a ring of another version",
                "it is " + std::to_string(header.version >> 16) + ", ours is " +
                    std::to_string(kVersion >> 16),
                "use the same PeriProx on both sides");
  }
  // A file or a BAR may be larger than what the exporter uses of it.
  const std::uint64_t size = header.memory_size;
  if (size > memory_size) return no_ring("it says that it is larger than it is");
  if (!is_number_of_entries(header.submissions_entries) ||
      !is_number_of_entries(header.completions_entries)) {
    return no_ring("a number of entries is no power of two from 16 to 65536");
  }
  if (header.urb_slots == 0 || header.urb_slots > kMostEntries) {
    return no_ring("it has no URB slots, or too many");
  }
  const std::array<Range, 3> parts{
      {{header.submissions_offset, std::uint64_t{header.submissions_entries} * sizeof(Entry)},
       {header.completions_offset, std::uint64_t{header.completions_entries} * sizeof(Entry)},
       {header.arena_offset, header.arena_size}}};
  for (const auto& part : parts) {
    if (!part.is_inside(size)) return no_ring("a part of it lies outside");
  }
  if (parts[0].overlaps(parts[1]) || parts[1].overlaps(parts[2]) || parts[0].overlaps(parts[2])) {
    return no_ring("its parts overlap");
  }
  if (header.arena_size < kSmallestArena) return no_ring("its arena is too small");
  return Layout{.memory_size = size,
                .submissions_offset = header.submissions_offset,
                .submissions_entries = header.submissions_entries,
                .completions_offset = header.completions_offset,
                .completions_entries = header.completions_entries,
                .arena_offset = header.arena_offset,
                .arena_size = header.arena_size,
                .urb_slots = header.urb_slots};
}

}  // namespace periprox::wire::ring
