#include "periprox/session/client_slots.hpp"

#include <algorithm>

namespace periprox::session {

std::optional<ClientSlots::Number> ClientSlots::take() {
  Number number = 0;
  if (!free_.empty()) {
    number = free_.back();
    free_.pop_back();
  } else if (slots_.size() < kMaxSlots) {
    number = static_cast<Number>(slots_.size());
    slots_.emplace_back();
  } else {
    return std::nullopt;
  }
  // Generation 0 is never used, so that no seqnum is 0.
  auto& generation = slots_[number].generation;
  if (++generation == 0) ++generation;
  return number;
}

void ClientSlots::free(Number number) {
  slots_[number].kind = ClientSlot::Kind::Free;
  free_.push_back(number);
}

void ClientSlots::retire(Number number) {
  slots_[number].kind = ClientSlot::Kind::Retired;
  retired_.push(number);
  if (retired_.size() > kMaxRetired) free(retired_.pop());
}

std::uint32_t ClientSlots::seqnum_of(Number number) const {
  return std::uint32_t{slots_[number].generation} << 16 | number;
}

std::optional<ClientSlots::Number> ClientSlots::find(std::uint32_t seqnum) const {
  const auto number = static_cast<Number>(seqnum);
  if (number >= slots_.size() || slots_[number].generation != seqnum >> 16) return std::nullopt;
  return number;
}

std::optional<ClientSlots::Number> ClientSlots::target_of(const ClientSlot& unlink) const {
  const auto& target = slots_[unlink.unlink_target];
  const bool waiting =
      target.kind == ClientSlot::Kind::Urb && target.generation == unlink.target_generation;
  if (!waiting) return std::nullopt;
  return unlink.unlink_target;
}

std::vector<ClientSlots::Number> ClientSlots::urbs_in_order() const {
  std::vector<Number> numbers;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].kind == ClientSlot::Kind::Urb) numbers.push_back(static_cast<Number>(i));
  }
  std::ranges::sort(numbers, {}, [this](Number number) { return slots_[number].submission; });
  return numbers;
}

}  // namespace periprox::session
