// The data of a source and the check of a sink, without a byte loop on the data path.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/emulated/constant_data.hpp"
#include "periprox/emulated/transfer.hpp"
#include "periprox/emulated/zero.hpp"

namespace periprox::emulated {

/// Bytes that repeat with every packet; the same pattern at every position of a transfer.
class PatternData {
 public:
  PatternData(TestPattern pattern, std::uint16_t max_packet_size);

  /// Writes the start of a transfer into `bytes`.
  void fill(MutableBytes bytes) const;
  /// Whether `bytes` is the start of a transfer. Always true for TestPattern::None.
  [[nodiscard]] bool matches(Bytes bytes) const;
  /// Sends as much as the host asked for; without copying up to kLongestLent.
  void send(InTransfer transfer);

  static constexpr std::uint32_t kLongestLent = std::uint32_t{1} << 20;

 private:
  TestPattern pattern_;
  std::vector<std::byte> packet_;
  std::unique_ptr<ConstantData> lent_;  // Grows to the longest transfer that was asked for.
};

/// The patterns of a device's endpoints, by packet size.
class PatternSet {
 public:
  explicit PatternSet(TestPattern pattern) : pattern_(pattern) {}
  [[nodiscard]] PatternData& of(std::uint16_t max_packet_size);

 private:
  TestPattern pattern_;
  std::map<std::uint16_t, PatternData> by_size_;
};

}  // namespace periprox::emulated
