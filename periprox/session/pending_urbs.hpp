// The URBs that a server session has given to its device and not got back yet, found by seqnum.
#pragma once

#include <tsl/robin_map.h>

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

/// A slab of PendingUrbs whose places are reused, with an index by seqnum.
class PendingUrbs {
 public:
  using Slot = std::uint32_t;

  [[nodiscard]] std::size_t size() const { return by_seqnum_.size(); }
  /// Sum of the charges.
  [[nodiscard]] std::size_t charge() const { return charge_; }
  /// A place for a new URB; empty when its seqnum is pending already.
  [[nodiscard]] std::optional<Slot> add(wire::usbip::Seqnum seqnum, std::size_t charge);
  [[nodiscard]] PendingUrb& operator[](Slot slot) { return slots_[slot]; }
  [[nodiscard]] std::optional<Slot> find(wire::usbip::Seqnum seqnum) const;
  void remove(Slot slot);
  /// The slots in use at this moment, in no particular order.
  [[nodiscard]] std::vector<Slot> slots() const;

 private:
  // Peers choose seqnums, so the hash is salted: nobody can pick ones that all collide.
  struct SaltedHash {
    std::size_t operator()(std::uint32_t seqnum) const {
      const std::uint64_t mixed = (seqnum ^ salt) * 0x9e3779b97f4a7c15U;
      return static_cast<std::size_t>(mixed ^ mixed >> 32);
    }
    std::uint64_t salt;
  };
  using Index = tsl::robin_map<std::uint32_t, Slot, SaltedHash>;

  Index by_seqnum_{0, SaltedHash{reinterpret_cast<std::uintptr_t>(this) >> 4}};
  std::vector<PendingUrb> slots_;
  std::vector<Slot> free_;
  std::size_t charge_ = 0;
};

}  // namespace periprox::session
