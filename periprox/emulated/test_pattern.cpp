#include "periprox/emulated/test_pattern.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace periprox::emulated {
namespace {

constexpr std::uint32_t kShortestLent = std::uint32_t{16} << 10;

/// Calls `visit` with each packet's part of `bytes`.
template <typename Span, typename Visit>
bool for_each_packet(Span bytes, std::size_t packet_size, Visit visit) {
  for (std::size_t offset = 0; offset < bytes.size(); offset += packet_size) {
    if (!visit(bytes.subspan(offset, std::min(packet_size, bytes.size() - offset)))) return false;
  }
  return true;
}

}  // namespace

PatternData::PatternData(TestPattern pattern, std::uint16_t max_packet_size)
    : pattern_(pattern), packet_(std::max<std::uint16_t>(max_packet_size, 1)) {
  if (pattern != TestPattern::Mod63) return;
  for (std::size_t i = 0; i < packet_.size(); ++i) packet_[i] = static_cast<std::byte>(i % 63);
}

void PatternData::fill(MutableBytes bytes) const {
  for_each_packet(bytes, packet_.size(), [this](MutableBytes part) {
    std::memcpy(part.data(), packet_.data(), part.size());
    return true;
  });
}

bool PatternData::matches(Bytes bytes) const {
  if (pattern_ == TestPattern::None) return true;
  return for_each_packet(bytes, packet_.size(), [this](Bytes part) {
    return std::memcmp(part.data(), packet_.data(), part.size()) == 0;
  });
}

void PatternData::send(InTransfer transfer) {
  const auto length = transfer.length();
  if (length > kLongestLent) {
    const auto room = transfer.reserve(length);
    fill(room);
    return transfer.send_reserved(static_cast<std::uint32_t>(room.size()));
  }
  if (lent_ == nullptr || lent_->bytes().size() < length) {
    std::vector<std::byte> bytes(std::bit_ceil(std::max(length, kShortestLent)));
    fill(bytes);
    lent_ = std::make_unique<ConstantData>(std::move(bytes));
  }
  transfer.send(*lent_, length);
}

PatternData& PatternSet::of(std::uint16_t max_packet_size) {
  const auto found = by_size_.find(max_packet_size);
  if (found != by_size_.end()) return found->second;
  return by_size_.emplace(max_packet_size, PatternData(pattern_, max_packet_size)).first->second;
}

}  // namespace periprox::emulated
