// The answers of a recorded device to control requests.
#pragma once

#include <optional>
#include <vector>

#include "periprox/recorded/recording.hpp"

namespace periprox::recorded {

/// An answer, and whether the recording has exactly this request.
struct BookAnswer {
  usb::Status status = usb::Status::Ok;
  std::vector<std::byte> data;
  Duration took{};
  bool is_exact = true;
};

/// Finds the answer to a request: the recorded ones in their order, the last one again and again.
/// Deterministic: the same requests get the same answers.
class RequestBook final {
 public:
  /// `recording` outlives it.
  explicit RequestBook(const Recording& recording);

  /// The answer to a request whose setup packet (but for wLength of IN requests) and OUT data were
  /// recorded, or one that the descriptors tell. Empty when there is none.
  [[nodiscard]] std::optional<BookAnswer> find(const usb::SetupPacket& setup, Bytes out);
  /// The answer to the request that is most alike: the same but for its data, then but for wIndex,
  /// then but for wValue. Empty when there is none.
  [[nodiscard]] std::optional<BookAnswer> nearest(const usb::SetupPacket& setup);

 private:
  [[nodiscard]] std::optional<BookAnswer> from_descriptors(const usb::SetupPacket& setup) const;

  const Recording& recording_;
  std::vector<bool> used_;
};

}  // namespace periprox::recorded
