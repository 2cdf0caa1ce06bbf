// The URBs that a server session has given to its device and not got back yet, found by seqnum.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "periprox/usb/urb.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::session {

/// What the session must remember of a CMD_SUBMIT until its reply.
struct PendingUrb {
  wire::usbip::Seqnum seqnum;
  usb::UrbHandle handle;               ///< Empty until the URB was given to the device.
  std::uint32_t length = 0;            ///< transfer_buffer_length.
  std::int32_t number_of_packets = 0;  ///< As received: mirrored for non-ISO.
  std::size_t charge = 0;              ///< Bytes it counts against the session's ceiling.
  bool is_in = false;
  bool is_iso = false;
  /// CMD_UNLINKs that wait for this URB's end; nearly always none or one.
  std::vector<wire::usbip::Seqnum> unlinks;
};

/// A slab of PendingUrbs whose places are reused, with an index by seqnum: chains of places, one
/// for each value of a hash, at least as many as there are places. Not thread-safe.
class PendingUrbs {
 public:
  using Slot = std::uint32_t;

  [[nodiscard]] std::size_t size() const { return size_; }
  /// Sum of the charges.
  [[nodiscard]] std::size_t charge() const { return charge_; }
  /// A place for a new URB; empty when its seqnum is pending already.
  [[nodiscard]] std::optional<Slot> add(wire::usbip::Seqnum seqnum, std::size_t charge);
  [[nodiscard]] PendingUrb& operator[](Slot slot) { return places_[slot]; }
  [[nodiscard]] std::optional<Slot> find(wire::usbip::Seqnum seqnum) const;
  void remove(Slot slot);
  /// The slots in use at this moment, in no particular order.
  [[nodiscard]] std::vector<Slot> slots() const;

 private:
  static constexpr Slot kNone = ~Slot{0};
  struct Place : PendingUrb {
    Slot next = kNone;  // In its chain, or among the free ones.
  };

  // Peers choose seqnums, so the hash is salted: nobody can pick ones that all collide.
  [[nodiscard]] std::size_t chain_of(wire::usbip::Seqnum seqnum) const {
    const auto salt = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(this) >> 4);
    return (seqnum.value() ^ salt) * 0x9e3779b97f4a7c15U >> hash_shift_;
  }
  [[nodiscard]] Slot find_in(std::size_t chain, wire::usbip::Seqnum seqnum) const;
  void grow();

  std::vector<Place> places_;
  std::vector<Slot> chains_ = {kNone, kNone};  // A power of two of them.
  unsigned hash_shift_ = 63;
  Slot free_ = kNone;
  std::size_t size_ = 0;
  std::size_t charge_ = 0;
};

}  // namespace periprox::session
