// The USB request block: one transfer, from the moment somebody wants it to its outcome.
//
// An Urb is owned by whoever holds it and completed exactly once; one that is dropped completes as
// Cancelled. It finds its way back over a short stack of CompletionSinks: the submitter pushes
// itself, each stage in front of the device may push itself on top, complete() pops one at a time.
// Records come from an UrbPool and are reused, so that nothing is allocated per URB once warm.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "periprox/base/payload.hpp"
#include "periprox/usb/endpoint_address.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/usb/status.hpp"

namespace periprox::usb {

/// bmAttributes bits 0-1 of an endpoint descriptor (USB 2.0, table 9-13).
enum class TransferType : std::uint8_t { Control = 0, Isochronous = 1, Bulk = 2, Interrupt = 3 };

/// "control", "isochronous", "bulk", "interrupt".
[[nodiscard]] std::string_view transfer_type_name(TransferType type);

/// What the submitter asks for beyond the data; the rest of Linux' transfer_flags is local to a
/// host.
struct TransferFlags {
  bool short_not_ok = false;  ///< A short IN transfer is an error (ShortTransfer).
  bool iso_asap = false;      ///< Isochronous: start in the next free frame.
  bool zero_packet =
      false;  ///< Bulk OUT: end with a zero-length packet if the data ends on a full one.

  friend bool operator==(const TransferFlags&, const TransferFlags&) = default;
};

/// One packet of an isochronous transfer; offset and length in bytes into the payload.
struct IsoPacket {
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t actual_length = 0;
  Status status = Status::Ok;

  friend bool operator==(const IsoPacket&, const IsoPacket&) = default;
};

/// Everything about one transfer.
struct UrbData {
  EndpointAddress endpoint;  ///< For control: number 0 and the direction of the data stage.
  TransferType type = TransferType::Control;
  TransferFlags flags;
  SetupPacket setup;                ///< Control only.
  std::uint32_t length = 0;         ///< Bytes asked for (IN) or given (OUT).
  std::uint32_t actual_length = 0;  ///< Bytes moved; for isochronous IN the sum over the packets.
  /// OUT: the data. IN: filled by the device, which provides the memory when there is none yet; a
  /// submitter may provide it (capacity >= length) and then finds the data there. Isochronous IN
  /// data lies sparse, each packet at its offset.
  Payload payload;
  std::vector<IsoPacket> iso_packets;
  std::uint32_t interval =
      0;  ///< Periodic endpoints: (micro)frames, as the submitter sees it. A hint.
  std::int32_t start_frame = 0;   ///< Isochronous; informative.
  std::uint32_t error_count = 0;  ///< Isochronous: packets whose status is not Ok.
  std::uint16_t stream_id = 0;    ///< Bulk streams; 0 = none.
  Status status = Status::Ok;

  /// Ready for another transfer: like a new one, but that the list of packets keeps its capacity,
  /// which is what makes an isochronous stream allocation-free.
  void clear();

  [[nodiscard]] bool is_in() const { return endpoint.is_in(); }
  /// The payload bytes that mean something: `length` of OUT, `actual_length` of non-isochronous IN.
  [[nodiscard]] MutableBytes data() const {
    return payload.first(payload ? (is_in() ? actual_length : length) : 0);
  }
};

class Urb;
class CompletionSink;
class UrbPool;

namespace detail {

inline constexpr std::size_t kMaxSinks = 8;

struct SinkFrame {
  CompletionSink* sink = nullptr;
  std::uint64_t cookie = 0;
};

struct UrbRecord : UrbData {
  std::array<SinkFrame, kMaxSinks> sinks{};
  std::uint32_t sink_count = 0;
  void* pool_shelf = nullptr;
  UrbRecord* next_free = nullptr;
  // The device that holds the URB may note here where it keeps it.
  std::uint64_t device_note = 0;
};

}  // namespace detail

/// Names a submitted URB without owning it, for Device::cancel(). Valid until the URB has come back
/// to the one who submitted it.
class UrbHandle {
 public:
  UrbHandle() = default;
  [[nodiscard]] explicit operator bool() const { return record_ != nullptr; }
  [[nodiscard]] const UrbData* operator->() const { return record_; }
  [[nodiscard]] std::uint64_t device_note() const { return record_->device_note; }
  friend bool operator==(const UrbHandle&, const UrbHandle&) = default;

  /// Takes `sink` off the way back of this URB: used by a submitter that goes away first.
  void forget_sink(const CompletionSink& sink) const;

 private:
  friend class Urb;
  explicit UrbHandle(detail::UrbRecord* record) : record_(record) {}
  detail::UrbRecord* record_ = nullptr;
};

/// Gets URBs back. `cookie` is what was pushed along with the sink.
class CompletionSink {
 public:
  /// Called once for each push, never from within Device::cancel() of another endpoint's URB, but
  /// possibly from within Device::submit(). The Urb carries the outcome; dropping it recycles it.
  virtual void on_completed(Urb urb, std::uint64_t cookie) = 0;

 protected:
  ~CompletionSink() = default;
};

/// Owns one transfer. Move-only; completes as Cancelled when dropped before it was completed.
class Urb {
 public:
  /// Holds nothing.
  Urb() = default;
  /// A record of its own, for places that are not on the data path.
  [[nodiscard]] static Urb create();

  Urb(Urb&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  Urb& operator=(Urb&& other) noexcept {
    if (this != &other) {
      if (record_ != nullptr) drop();
      record_ = std::exchange(other.record_, nullptr);
    }
    return *this;
  }
  ~Urb() {
    if (record_ != nullptr) drop();
  }

  [[nodiscard]] explicit operator bool() const { return record_ != nullptr; }
  [[nodiscard]] UrbData* operator->() const { return record_; }
  [[nodiscard]] UrbData& operator*() const { return *record_; }
  [[nodiscard]] UrbHandle handle() const { return UrbHandle(record_); }
  /// A note of the device that holds the URB, which it finds again in cancel() by the handle.
  void set_device_note(std::uint64_t note) const { record_->device_note = note; }

  /// Asks for the completion to be delivered to `sink`, before it goes to those pushed earlier.
  /// At most 8 deep.
  void push_sink(CompletionSink& sink, std::uint64_t cookie = 0);
  /// Hands the URB back with its outcome. Consumes it.
  void complete(Status status, std::uint32_t actual_length);
  /// Hands the URB back with the outcome that its fields already hold. Consumes it.
  void complete();

 private:
  friend class UrbPool;
  explicit Urb(detail::UrbRecord* record) : record_(record) {}
  void drop() noexcept;

  detail::UrbRecord* record_ = nullptr;
};

/// Reuses URB records. Not thread-safe; its URBs may outlive it.
class UrbPool {
 public:
  UrbPool();
  ~UrbPool();
  UrbPool(const UrbPool&) = delete;
  UrbPool& operator=(const UrbPool&) = delete;

  [[nodiscard]] Urb take();

 private:
  friend class Urb;
  struct Shelf;
  Shelf* shelf_;
};

}  // namespace periprox::usb
