// A transfer as a capture has it: its submission and its completion brought together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "periprox/wire/capture_reader.hpp"

namespace periprox::recorded {

/// Names one device of a capture.
struct TracedAddress {
  std::uint32_t interface_id = 0;
  std::uint16_t bus = 0;
  std::uint16_t device = 0;
  friend auto operator<=>(const TracedAddress&, const TracedAddress&) = default;
};

/// One transfer. Owns its data, so that it may be kept.
struct TracedTransfer {
  TracedAddress address;
  std::uint64_t number = 0;  ///< Counted from 1 in the order of submission, over all devices.
  usb::TransferType type = usb::TransferType::Control;
  usb::EndpointAddress endpoint;
  std::optional<usb::SetupPacket> setup;
  usb::TransferFlags flags;
  std::uint64_t submitted = 0;  ///< Nanoseconds since 1970.
  std::uint64_t completed = 0;
  std::uint32_t length = 0;  ///< Asked for.
  std::uint32_t actual_length = 0;
  usb::Status status = usb::Status::InProgress;
  /// What went out or came in, as far as the capture has it; isochronous IN data is sparse.
  std::vector<std::byte> data;
  std::vector<usb::IsoPacket> iso_packets;
  std::vector<std::string> comments;
  bool is_synthesised = false;  ///< It stands for what was known before the capture began.

  [[nodiscard]] bool is_in() const { return endpoint.is_in(); }
  [[nodiscard]] std::uint64_t latency() const {
    return completed > submitted ? completed - submitted : 0;
  }
  /// False when the capture has less of the data than there was.
  [[nodiscard]] bool has_all_data() const { return data.size() >= data_length(); }
  [[nodiscard]] std::uint32_t data_length() const { return is_in() ? actual_length : length; }
};

/// Brings submissions and completions together, by their ids. Bounded: of submissions that never
/// complete the oldest are forgotten.
class TransferPairing final {
 public:
  /// The transfer that this record completes; empty for a submission. Valid until the next call.
  /// A completion whose submission is not in the capture is a transfer of which little is known.
  const TracedTransfer* add(const wire::CapturedPacket& packet);

  /// Those that are not complete, in the order of submission; to be called at the end.
  [[nodiscard]] std::vector<TracedTransfer> unfinished();

  static constexpr std::size_t kMostPending = 100'000;

 private:
  struct Key {
    TracedAddress address;
    std::uint64_t id = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const {
      return key.id * 0x9e3779b97f4a7c15U ^ std::size_t{key.address.interface_id} << 40 ^
             std::size_t{key.address.device} << 20 ^ key.address.bus;
    }
  };
  std::unordered_map<Key, TracedTransfer, Hash> pending_;
  TracedTransfer current_;
  std::uint64_t last_number_ = 0;
};

}  // namespace periprox::recorded
