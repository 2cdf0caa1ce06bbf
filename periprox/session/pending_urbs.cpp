#include "periprox/session/pending_urbs.hpp"

namespace periprox::session {

std::optional<PendingUrbs::Slot> PendingUrbs::add(wire::usbip::Seqnum seqnum, std::size_t charge) {
  if (find_in(chain_of(seqnum), seqnum) != kNone) return std::nullopt;
  if (free_ == kNone) grow();
  const Slot slot = free_;
  Place& place = places_[slot];
  free_ = place.next;
  Slot& first = chains_[chain_of(seqnum)];
  place.next = first;
  first = slot;
  place.seqnum = seqnum;
  place.charge = charge;
  charge_ += charge;
  ++size_;
  return slot;
}

std::optional<PendingUrbs::Slot> PendingUrbs::find(wire::usbip::Seqnum seqnum) const {
  const Slot slot = find_in(chain_of(seqnum), seqnum);
  if (slot == kNone) return std::nullopt;
  return slot;
}

PendingUrbs::Slot PendingUrbs::find_in(std::size_t chain, wire::usbip::Seqnum seqnum) const {
  Slot slot = chains_[chain];
  while (slot != kNone && places_[slot].seqnum != seqnum) slot = places_[slot].next;
  return slot;
}

void PendingUrbs::remove(Slot slot) {
  Place& place = places_[slot];
  Slot* link = &chains_[chain_of(place.seqnum)];
  while (*link != slot) link = &places_[*link].next;
  *link = place.next;
  place.next = free_;
  free_ = slot;
  charge_ -= place.charge;
  --size_;
  place.handle = {};
  place.length = 0;
  place.number_of_packets = 0;
  place.is_in = place.is_iso = false;
  place.unlinks.clear();  // Keeps its capacity.
}

std::vector<PendingUrbs::Slot> PendingUrbs::slots() const {
  std::vector<Slot> all;
  all.reserve(size_);
  for (Slot slot : chains_) {
    for (; slot != kNone; slot = places_[slot].next) all.push_back(slot);
  }
  return all;
}

/// Twice as many places and chains.
void PendingUrbs::grow() {
  const auto used = slots();
  const auto old_size = static_cast<Slot>(places_.size());
  places_.resize(old_size == 0 ? 2 : std::size_t{2} * old_size);
  for (Slot slot = old_size; slot < places_.size(); ++slot) {
    places_[slot].next = free_;
    free_ = slot;
  }
  chains_.assign(places_.size(), kNone);
  if (old_size > 0) --hash_shift_;
  for (const Slot slot : used) {
    Slot& first = chains_[chain_of(places_[slot].seqnum)];
    places_[slot].next = first;
    first = slot;
  }
}

}  // namespace periprox::session
