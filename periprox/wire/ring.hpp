// The ring's memory on one screen: URBs between two sides that share a block of memory.
//
// docs/protocols/ring.md has the tables, the life of a session and the rules of trust. Everything
// that the other side can write is an atomic, so that reading it is one load of a value that is
// then private: nothing is fetched twice.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "periprox/base/bytes.hpp"
#include "periprox/base/endian.hpp"
#include "periprox/base/result.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/usb/urb.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::wire::ring {

static_assert(std::endian::native == std::endian::little, "indices are shared as they are");
static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
              std::atomic<std::uint64_t>::is_always_lock_free);

inline constexpr std::uint64_t kMagic = 0x474e495258525050;  // "PPRXRING"
inline constexpr std::uint32_t kVersion = 1U << 16;
inline constexpr std::uint32_t kFeatureStreams = 1;
inline constexpr std::uint32_t kFeatureResets = 2;
inline constexpr std::uint32_t kFeatureLinkStates = 4;
inline constexpr std::uint32_t kFeatures = kFeatureStreams | kFeatureResets | kFeatureLinkStates;

inline constexpr std::uint32_t kFewestEntries = 16;
inline constexpr std::uint32_t kMostEntries = 65536;
inline constexpr std::uint64_t kSmallestArena = 64 << 10;
inline constexpr std::uint64_t kLargestMemory = std::uint64_t{4} << 30;

// ---- Values in shared memory
// ---------------------------------------------------------------------

/// A T in shared memory, read and written by 8 bytes at a time; the parts need not fit together
/// when the other side writes meanwhile, so a copy is checked before it is used.
template <typename T>
class Shared {
 public:
  static_assert(sizeof(T) % 8 == 0 && std::is_trivially_copyable_v<T>);

  [[nodiscard]] T load() const {
    std::array<std::uint64_t, sizeof(T) / 8> copy;
    for (std::size_t i = 0; i < copy.size(); ++i) {
      copy[i] = words_[i].load(std::memory_order_relaxed);
    }
    return std::bit_cast<T>(copy);
  }
  void store(const T& value) {
    const auto copy = std::bit_cast<std::array<std::uint64_t, sizeof(T) / 8>>(value);
    for (std::size_t i = 0; i < copy.size(); ++i) {
      words_[i].store(copy[i], std::memory_order_relaxed);
    }
  }

 private:
  std::array<std::atomic<std::uint64_t>, sizeof(T) / 8> words_;
};

// ---- The control block
// ---------------------------------------------------------------------------

struct Header {
  le64 magic{kMagic};
  le32 version{kVersion};
  le32 features{kFeatures};
  le64 memory_size{};
  le32 submissions_offset{};
  le32 submissions_entries{};
  le32 completions_offset{};
  le32 completions_entries{};
  le64 arena_offset{};
  le64 arena_size{};
  le32 urb_slots{};
  le32 reserved{};
};
static_assert(sizeof(Header) == 64);

enum class ExporterState : std::uint32_t { Absent = 0, Ready = 1, Connected = 2, Ended = 3 };
enum class ImporterState : std::uint32_t { Absent = 0, Joining = 1, Connected = 2, Left = 3 };

/// Processors fetch cache lines in pairs: what two sides write lies this far apart.
inline constexpr std::size_t kLine = 128;

/// What one side says of itself.
struct alignas(kLine) Side {
  std::atomic<std::uint32_t> epoch;
  std::atomic<std::uint32_t> state;
  std::atomic<std::uint64_t> heartbeat;
  std::atomic<std::uint32_t> answers;  ///< The epoch of the other side that this one agreed to.
  std::atomic<std::uint32_t> features;
};
struct alignas(kLine) ProducerLine {
  std::atomic<std::uint32_t> tail;
};
struct alignas(kLine) ConsumerLine {
  std::atomic<std::uint32_t> head;
  std::atomic<std::uint32_t> sleeping;
};

struct ControlBlock {
  alignas(kLine) Shared<Header> header;
  Side exporter;
  Side importer;
  ProducerLine submissions_in;
  ConsumerLine submissions_out;
  ProducerLine completions_in;
  ConsumerLine completions_out;
};
static_assert(sizeof(Side) == kLine && sizeof(ProducerLine) == kLine);
static_assert(offsetof(ControlBlock, exporter) == 0x080);
static_assert(offsetof(ControlBlock, importer) == 0x100);
static_assert(offsetof(ControlBlock, submissions_in) == 0x180);
static_assert(offsetof(ControlBlock, submissions_out) == 0x200);
static_assert(offsetof(ControlBlock, completions_in) == 0x280);
static_assert(offsetof(ControlBlock, completions_out) == 0x300);
static_assert(offsetof(Side, state) == 4 && offsetof(Side, heartbeat) == 8);
static_assert(offsetof(Side, answers) == 16 && offsetof(Side, features) == 20);
static_assert(offsetof(ConsumerLine, sleeping) == 4);

// ---- Entries
// -------------------------------------------------------------------------------------

enum class Kind : std::uint16_t {
  Submit = 1,
  Cancel = 2,
  List = 3,
  Import = 4,
  Link = 5,
  Completed = 0x81,
  Listed = 0x83,
  Imported = 0x84,
  LinkNow = 0x85,
};

/// States of a link (USB 3.2, 10.16.2.6.1, as a hub's PORT_LINK_STATE numbers them).
enum class LinkState : std::uint32_t { U0 = 0, U1 = 1, U2 = 2, U3 = 3, Disconnected = 6 };

inline constexpr std::uint16_t kFlagShortNotOk = 1;
inline constexpr std::uint16_t kFlagIsoAsap = 2;
inline constexpr std::uint16_t kFlagZeroPacket = 4;
[[nodiscard]] std::uint16_t encode_flags(const usb::TransferFlags& flags);
[[nodiscard]] usb::TransferFlags decode_flags(std::uint16_t flags);

struct Entry {
  le16 kind{};
  le16 flags{};
  le32 tag{};
  std::uint8_t endpoint = 0;
  std::uint8_t transfer_type = 0;
  le16 stream_id{};
  le32 length{};
  le64 payload{};
  le64 packet_table{};
  le32 packets{};
  sle32 status{};
  le32 actual_length{};
  sle32 start_frame{};
  le32 interval{};
  le32 error_count{};
  le32 value{};
  usb::SetupPacket setup;
  usbip::NameField<usbip::kBusIdSize> busid{};
  std::array<std::uint8_t, 28> reserved{};
};
static_assert(sizeof(Entry) == 128 && alignof(Entry) == 1);
static_assert(offsetof(Entry, payload) == 16 && offsetof(Entry, packets) == 32);
static_assert(offsetof(Entry, setup) == 60 && offsetof(Entry, busid) == 68);

[[nodiscard]] inline Kind kind_of(const Entry& entry) {
  return static_cast<Kind>(std::uint16_t{entry.kind});
}
[[nodiscard]] inline std::uint16_t slot_of(std::uint32_t tag) {
  return static_cast<std::uint16_t>(tag);
}

/// One packet of an isochronous URB's packet table.
struct Packet {
  le32 offset{};
  le32 length{};
  le32 actual_length{};
  sle32 status{};
};
static_assert(sizeof(Packet) == 16);
[[nodiscard]] Packet encode_packet(const usb::IsoPacket& packet);
[[nodiscard]] usb::IsoPacket decode_packet(const Packet& packet);

/// What stands before the memory when a socket hands it over.
struct Hello {
  le64 magic{kMagic};
  le32 version{kVersion};
  le32 reserved{};
  le64 memory_size{};
};
static_assert(sizeof(Hello) == 24);

// ---- Where things lie
// ----------------------------------------------------------------------------

/// The places of the parts; checked, and private to whoever holds it.
struct Layout {
  std::uint64_t memory_size = 0;
  std::uint32_t submissions_offset = 0;
  std::uint32_t submissions_entries = 0;
  std::uint32_t completions_offset = 0;
  std::uint32_t completions_entries = 0;
  std::uint64_t arena_offset = 0;
  std::uint64_t arena_size = 0;
  std::uint32_t urb_slots = 0;

  /// True when `length` bytes at `offset` lie inside the arena.
  [[nodiscard]] bool arena_holds(std::uint64_t offset, std::uint64_t length) const {
    return length <= arena_size && offset <= arena_size - length;
  }
  friend bool operator==(const Layout&, const Layout&) = default;
};

inline constexpr std::uint32_t kDefaultEntries = 1024;
inline constexpr std::uint64_t kDefaultArena = std::uint64_t{32} << 20;

/// The memory that an arena of `arena_size` bytes needs with its rings.
[[nodiscard]] std::uint64_t memory_for(std::uint64_t arena_size, std::uint32_t entries);
/// Divides memory of a size; Usage when it is too small or too large.
[[nodiscard]] Result<Layout> plan_layout(std::uint64_t memory_size,
                                         std::uint32_t entries = kDefaultEntries);
[[nodiscard]] Header encode_header(const Layout& layout);
/// Believes a header only if its parts fit into memory of that size; Malformed says what does not.
[[nodiscard]] Result<Layout> decode_header(const Header& header, std::uint64_t memory_size);

}  // namespace periprox::wire::ring
