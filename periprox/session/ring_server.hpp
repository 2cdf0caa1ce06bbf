// The exporter's side of a ring session: entries in shared memory become URBs for a device, whose
// data lies in the ring's arena, and completions become entries.
//
// docs/protocols/ring.md is the specification. The importer is not trusted: what it wrote is copied
// once, checked, then used, and what no sound importer writes ends the session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "periprox/base/memory_protocol.hpp"
#include "periprox/base/ring_queue.hpp"
#include "periprox/session/exports.hpp"
#include "periprox/session/ring_arena.hpp"
#include "periprox/session/ring_limits.hpp"
#include "periprox/session/ring_memory.hpp"
#include "periprox/session/ring_port.hpp"
#include "periprox/usb/device.hpp"

namespace periprox::session {

/// Sans-IO ring server session. One thread. Each SUBMIT is answered by one COMPLETED.
class RingServer final : public MemoryProtocol, private usb::CompletionSink {
 public:
  /// Formats the memory and waits for an importer; for ever if `patient`, else as long as for a
  /// first request. `exports` outlives the session. `peer` names the importer in messages.
  RingServer(const RingMemory& memory, const wire::ring::Layout& layout, Exports& exports,
             std::string peer, TimePoint now, bool patient = false, RingLimits limits = {});
  ~RingServer() override;
  RingServer(const RingServer&) = delete;
  RingServer& operator=(const RingServer&) = delete;

  void set_waker(Waker* waker) override { waker_ = waker; }
  bool poll(TimePoint now) override;
  [[nodiscard]] bool must_ring_doorbell() override;
  [[nodiscard]] bool may_fall_asleep() override { return port_.may_fall_asleep(); }
  void wake_up() override { port_.wake_up(); }
  [[nodiscard]] std::optional<TimePoint> wake_at() const override;
  void peer_gone(std::optional<Error> error) override;
  void close() override { end(std::nullopt); }
  [[nodiscard]] bool finished() const override { return state_ == State::Ended && pending_ == 0; }
  [[nodiscard]] const std::optional<Error>& failure() const override { return failure_; }

  /// The device in use; null before an import.
  [[nodiscard]] const Lease* lease() const { return lease_ ? &*lease_ : nullptr; }
  /// True once an importer has joined.
  [[nodiscard]] bool is_joined() const { return joined_ != 0; }
  /// URBs at the device now.
  [[nodiscard]] std::size_t pending() const { return pending_; }

 private:
  enum class State : std::uint8_t {
    Offered,   // Ready to be joined.
    Asked,     // Joined; no device yet.
    Claiming,  // An IMPORT is being decided.
    Urbs,
    Ended,
  };
  /// An URB that the importer waits for.
  struct Slot {
    bool is_taken = false;
    bool is_in = false;
    bool is_iso = false;
    bool cancelled = false;
    std::uint32_t tag = 0;
    std::uint32_t length = 0;
    std::uint32_t packets = 0;
    std::uint64_t payload = 0;
    std::uint64_t packet_table = 0;
    usb::UrbHandle handle;  // Empty until the device has the URB.
  };
  /// Room in the arena for the answer to LIST or IMPORT.
  struct Room {
    std::uint32_t tag = 0;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
  };

  void format(const wire::ring::Layout& layout);
  bool watch_importer(TimePoint now);
  bool try_to_join(TimePoint now);
  bool take_entries();
  void take(const wire::ring::Entry& entry);
  void list(const wire::ring::Entry& entry);
  void import(const wire::ring::Entry& entry);
  void claimed(Exports::ClaimResult result);
  void answer(const Room& room, wire::ring::Kind kind, Bytes reply);
  void submit(const wire::ring::Entry& entry);
  [[nodiscard]] std::optional<usb::Status> prepare(const wire::ring::Entry& entry, Slot& slot,
                                                   usb::UrbData& urb);
  void cancel(const wire::ring::Entry& entry);
  void on_completed(usb::Urb urb, std::uint64_t cookie) override;
  [[nodiscard]] std::uint32_t deliver(const Slot& slot, const usb::UrbData& urb) const;
  void put(const wire::ring::Entry& entry);
  bool send_backlog();
  void put_link(wire::ring::LinkState state);
  void device_gone();
  void fault(std::string why);
  void end(std::optional<Error> failure);
  void changed();

  RingMemory memory_;
  wire::ring::Layout layout_;
  Exports& exports_;
  std::string peer_;
  RingLimits limits_;
  Waker* waker_ = nullptr;
  State state_ = State::Offered;
  std::optional<Error> failure_;

  RingPort port_;
  BorrowedArena arena_;
  RingQueue<wire::ring::Entry> backlog_;  // For which the ring had no room.
  bool state_changed_ = true;             // The importer is to be told of our own state.
  std::uint32_t served_before_ = 0;       // The epoch of the importer before this session.
  std::uint32_t joined_ = 0;              // The importer's epoch.
  std::uint64_t seen_heartbeat_ = 0;
  TimePoint alive_at_{};
  TimePoint next_beat_{};
  std::optional<TimePoint> deadline_;
  std::optional<TimePoint> gone_until_;  // How long an importer has to leave a device that is gone.

  Room claim_room_;
  std::optional<Lease> lease_;
  bool is_gone_ = false;
  usb::UrbPool urbs_;
  std::vector<Slot> slots_;
  std::size_t pending_ = 0;
  // Given to callbacks that may come after the session is gone.
  std::shared_ptr<RingServer*> self_;
  bool in_call_ = false;
};

}  // namespace periprox::session
