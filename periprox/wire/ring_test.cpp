#include "periprox/wire/ring.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace periprox::wire::ring {
namespace {

constexpr std::uint64_t kMemory = 1 << 20;

Header sound_header() { return encode_header(plan_layout(kMemory, 64).value()); }

std::vector<std::uint8_t> bytes_as_numbers(Bytes bytes) {
  std::vector<std::uint8_t> numbers;
  for (const auto byte : bytes) numbers.push_back(std::to_integer<std::uint8_t>(byte));
  return numbers;
}

TEST(RingLayout, HeaderStartsWithItsName) {
  const Header header;
  const auto bytes = bytes_of(header);
  EXPECT_TRUE(std::ranges::equal(bytes.first(8), bytes_of_text("PPRXRING")));
}

TEST(RingLayout, SubmitLooksAsDocumented) {
  Entry entry{.kind = static_cast<std::uint16_t>(Kind::Submit),
              .flags = kFlagZeroPacket,
              .tag = 0x00020001,
              .endpoint = 0x02,
              .transfer_type = 2,
              .stream_id = 7,
              .length = 0x1000,
              .payload = 0x20000,
              .interval = 8,
              .setup = usb::SetupPacket::set_configuration(1)};
  entry.busid = usbip::make_name<usbip::kBusIdSize>("1-1");
  const std::vector<std::uint8_t> expected{
      0x01, 0x00, 0x04, 0x00, 0x01, 0x00, 0x02, 0x00,  // kind, flags, tag
      0x02, 0x02, 0x07, 0x00, 0x00, 0x10, 0x00, 0x00,  // endpoint, type, stream, length
      0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,  // payload
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // packet table
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // packets, status
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // actual length, start frame
      0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // interval, error count
      0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x01, 0x00,  // value, setup
      0x00, 0x00, 0x00, 0x00, '1',  '-',  '1',  0x00};
  const auto bytes = bytes_as_numbers(bytes_of(entry));
  EXPECT_EQ(std::vector(bytes.begin(), bytes.begin() + 72), expected);
}

TEST(RingLayout, SharedValueComesBackAsItWas) {
  Shared<Entry> place;
  place.store({.kind = std::uint16_t{2}, .tag = std::uint32_t{77}});
  const auto entry = place.load();
  EXPECT_EQ(kind_of(entry), Kind::Cancel);
  EXPECT_EQ(entry.tag, 77U);
}

TEST(RingLayout, PlanFillsTheMemory) {
  const auto layout = plan_layout(memory_for(kDefaultArena, kDefaultEntries)).value();
  EXPECT_EQ(layout.arena_size, kDefaultArena);
  EXPECT_EQ(layout.arena_offset + layout.arena_size, layout.memory_size);
}

TEST(RingLayout, PlanRefusesWhatCannotBeARing) {
  EXPECT_EQ(plan_layout(4096).error().kind, Error::Kind::Usage);
  EXPECT_EQ(plan_layout(kMemory, 100).error().kind, Error::Kind::Usage);
  EXPECT_EQ(plan_layout(kMemory, 8).error().kind, Error::Kind::Usage);
  EXPECT_EQ(plan_layout(kLargestMemory + 1, 64).error().kind, Error::Kind::Usage);
}

TEST(RingLayout, ArenaHoldsOnlyWhatLiesInside) {
  const auto layout = plan_layout(kMemory, 64).value();
  const auto size = layout.arena_size;
  EXPECT_TRUE(layout.arena_holds(0, size));
  EXPECT_TRUE(layout.arena_holds(size, 0));
  EXPECT_FALSE(layout.arena_holds(1, size));
  EXPECT_FALSE(layout.arena_holds(size, 1));
  EXPECT_FALSE(layout.arena_holds(~std::uint64_t{0}, 2));
}

TEST(RingHeader, RoundTrips) {
  EXPECT_EQ(decode_header(sound_header(), kMemory).value(), plan_layout(kMemory, 64).value());
}

TEST(RingHeader, MayUseLessThanTheMemory) {
  EXPECT_TRUE(decode_header(sound_header(), kMemory * 2).has_value());
}

TEST(RingHeader, RefusesMemoryThatIsSmallerThanItSays) {
  EXPECT_EQ(decode_header(sound_header(), kMemory - 1).error().kind, Error::Kind::Malformed);
}

TEST(RingHeader, RefusesAnotherNameOrMajorVersion) {
  auto header = sound_header();
  header.magic = kMagic + 1;
  EXPECT_EQ(decode_header(header, kMemory).error().kind, Error::Kind::Malformed);
  header = sound_header();
  header.version = 2U << 16;
  EXPECT_EQ(decode_header(header, kMemory).error().kind, Error::Kind::NotSupported);
}

TEST(RingHeader, TakesAnotherMinorVersion) {
  auto header = sound_header();
  header.version = kVersion + 3;
  EXPECT_TRUE(decode_header(header, kMemory).has_value());
}

TEST(RingHeader, RefusesPartsThatLieOutside) {
  auto header = sound_header();
  header.arena_size = ~std::uint64_t{0};
  EXPECT_FALSE(decode_header(header, kMemory).has_value());
  header = sound_header();
  header.submissions_offset = std::uint32_t{0xffffffc0};
  EXPECT_FALSE(decode_header(header, kMemory).has_value());
  header = sound_header();
  header.completions_entries = std::uint32_t{65536};
  EXPECT_FALSE(decode_header(header, kMemory).has_value());
}

TEST(RingHeader, RefusesPartsThatOverlap) {
  auto header = sound_header();
  header.completions_offset = header.submissions_offset;
  EXPECT_FALSE(decode_header(header, kMemory).has_value());
  header = sound_header();
  header.submissions_offset = std::uint32_t{0};  // The control block.
  EXPECT_FALSE(decode_header(header, kMemory).has_value());
}

TEST(RingHeader, RefusesOddNumbers) {
  auto header = sound_header();
  header.submissions_entries = std::uint32_t{63};
  EXPECT_FALSE(decode_header(header, kMemory).has_value());
  header = sound_header();
  header.urb_slots = std::uint32_t{0};
  EXPECT_FALSE(decode_header(header, kMemory).has_value());
  header = sound_header();
  header.urb_slots = std::uint32_t{65537};
  EXPECT_FALSE(decode_header(header, kMemory).has_value());
  header = sound_header();
  header.arena_size = std::uint64_t{100};
  EXPECT_FALSE(decode_header(header, kMemory).has_value());
}

TEST(RingCodec, FlagsRoundTrip) {
  const usb::TransferFlags flags{.short_not_ok = true, .iso_asap = false, .zero_packet = true};
  EXPECT_EQ(decode_flags(encode_flags(flags)), flags);
}

TEST(RingCodec, PacketRoundTrips) {
  const usb::IsoPacket packet{
      .offset = 192, .length = 100, .actual_length = 7, .status = usb::Status::CrcError};
  EXPECT_EQ(decode_packet(encode_packet(packet)), packet);
}

}  // namespace
}  // namespace periprox::wire::ring
