#include "periprox/session/pending_urbs.hpp"

#include <utility>

namespace periprox::session {

std::optional<PendingUrbs::Slot> PendingUrbs::add(wire::usbip::Seqnum seqnum, std::size_t charge) {
  const auto slot = free_.empty() ? static_cast<Slot>(slots_.size()) : free_.back();
  if (!by_seqnum_.insert({seqnum.value(), slot}).second) return std::nullopt;
  if (free_.empty()) {
    slots_.emplace_back();
  } else {
    free_.pop_back();
  }
  slots_[slot].seqnum = seqnum;
  slots_[slot].charge = charge;
  charge_ += charge;
  return slot;
}

std::optional<PendingUrbs::Slot> PendingUrbs::find(wire::usbip::Seqnum seqnum) const {
  const auto found = by_seqnum_.find(seqnum.value());
  if (found == by_seqnum_.end()) return std::nullopt;
  return found->second;
}

void PendingUrbs::remove(Slot slot) {
  charge_ -= slots_[slot].charge;
  by_seqnum_.erase(slots_[slot].seqnum.value());
  auto unlinks = std::move(slots_[slot].unlinks);  // Keeps its capacity.
  unlinks.clear();
  slots_[slot] = PendingUrb{.unlinks = std::move(unlinks)};
  free_.push_back(slot);
}

std::vector<PendingUrbs::Slot> PendingUrbs::slots() const {
  std::vector<Slot> all;
  all.reserve(by_seqnum_.size());
  for (const auto& entry : by_seqnum_) all.push_back(entry.second);
  return all;
}

}  // namespace periprox::session
