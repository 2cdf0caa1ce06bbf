// The importer's side of a ring session: a device behind shared memory, seen as a usb::Device.
//
// docs/protocols/ring.md is the specification. URBs become entries, their data lies in the arena,
// which this side gives out. The exporter is not trusted: an answer is copied, checked, then used.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "periprox/base/memory_protocol.hpp"
#include "periprox/base/ring_queue.hpp"
#include "periprox/session/exports.hpp"
#include "periprox/session/ring_arena.hpp"
#include "periprox/session/ring_client_slots.hpp"
#include "periprox/session/ring_limits.hpp"
#include "periprox/session/ring_memory.hpp"
#include "periprox/session/ring_port.hpp"
#include "periprox/usb/device.hpp"

namespace periprox::session {

class DescriptorFetch;

/// Sans-IO ring client session, and the device behind it. One thread.
class RingClient final : public MemoryProtocol, public usb::Device {
 public:
  /// Joins the exporter of `memory`. `epoch` is a random number.
  RingClient(const RingMemory& memory, std::uint32_t epoch, TimePoint now, RingLimits limits = {});
  ~RingClient() override;
  RingClient(const RingClient&) = delete;
  RingClient& operator=(const RingClient&) = delete;

  /// Asks which devices can be imported; `done` is called once. Not while another answer is
  /// awaited, nor after import().
  void list(std::function<void(Result<std::vector<ListedDevice>>)> done);
  /// Imports a device; `done` is called once: when its descriptors are read, so that it may be
  /// used, or when that failed. Then another one may be asked for.
  void import(std::string busid, std::function<void(Result<void>)> done);

  // MemoryProtocol
  void set_waker(Waker* waker) override { waker_ = waker; }
  bool poll(TimePoint now) override;
  [[nodiscard]] bool must_ring_doorbell() override;
  [[nodiscard]] bool may_fall_asleep() override { return !port_ || port_->may_fall_asleep(); }
  void wake_up() override {
    if (port_) port_->wake_up();
  }
  [[nodiscard]] std::optional<TimePoint> wake_at() const override;
  void peer_gone(std::optional<Error> error) override;
  void close() override { end(std::nullopt); }
  [[nodiscard]] bool finished() const override { return state_ == State::Ended; }
  [[nodiscard]] const std::optional<Error>& failure() const override { return failure_; }

  // usb::Device
  [[nodiscard]] const usb::DeviceModel& model() const override { return model_; }
  void submit(usb::Urb urb) override;
  void cancel(usb::UrbHandle urb) override;
  /// In the arena when there is room; else, and for what is copied anyway, on the heap.
  [[nodiscard]] Payload allocate(std::uint32_t size) override;
  void on_gone(std::function<void()> handler) override;

  /// URBs on their way now, and those that wait for room.
  [[nodiscard]] std::size_t pending() const { return slots_.pending() + waiting_.size(); }
  /// The state of the link, as the exporter said it last.
  [[nodiscard]] wire::ring::LinkState link_state() const { return link_state_; }
  /// Asks for another one.
  void request_link_state(wire::ring::LinkState state);

 private:
  enum class State : std::uint8_t { Looking, Joining, Joined, Ended };
  /// LIST or IMPORT, on its way or to be sent.
  struct Question {
    wire::ring::Kind kind{};
    std::string busid;
    bool is_sent = false;
    Payload room;
  };
  struct Rival {
    std::uint64_t heartbeat = 0;
    TimePoint until{};
  };

  void look_for_rival(TimePoint now);
  void announce();
  bool try_to_join();
  bool watch_exporter(TimePoint now);
  bool take_entries();
  void take(const wire::ring::Entry& entry);
  void ask(Question question);
  void send_question();
  void answered(const wire::ring::Entry& entry);
  void listed(Result<std::vector<ListedDevice>> result);
  void imported(Result<void> result);
  void open(Bytes reply);

  [[nodiscard]] bool start(usb::Urb& urb);
  void start_waiting();
  bool send_cancels();
  void give_up_late_cancels(TimePoint now);
  void completed(const wire::ring::Entry& entry);
  [[nodiscard]] usb::Status take_result(RingClientSlot& slot, const wire::ring::Entry& entry);
  [[nodiscard]] bool take_data(RingClientSlot& slot, std::uint32_t count);
  [[nodiscard]] bool take_packets(RingClientSlot& slot, std::uint32_t actual_length);
  void fault(std::string why);
  void end(std::optional<Error> failure);
  void changed();

  RingMemory memory_;
  std::uint32_t epoch_;
  RingLimits limits_;
  Waker* waker_ = nullptr;
  State state_ = State::Looking;
  std::optional<Error> failure_;
  std::optional<Rival> rival_;
  bool state_changed_ = false;
  std::uint32_t joined_ = 0;  // The exporter's epoch.
  std::uint64_t seen_heartbeat_ = 0;
  TimePoint alive_at_{};
  TimePoint next_beat_{};
  TimePoint polled_at_{};
  std::optional<TimePoint> open_deadline_;

  wire::ring::Layout layout_;
  std::optional<RingPort> port_;  // These two from joining on.
  std::optional<RingArena> arena_;

  std::optional<Question> question_;
  std::function<void(Result<std::vector<ListedDevice>>)> on_listed_;
  std::function<void(Result<void>)> on_imported_;
  std::unique_ptr<DescriptorFetch> fetch_;

  usb::DeviceModel model_;
  PayloadPool payloads_;
  RingClientSlots slots_;
  std::deque<usb::Urb> waiting_;      // For a slot, the ring or the arena; oldest first.
  RingQueue<std::uint32_t> cancels_;  // Tags, to be sent.
  RingQueue<std::pair<std::uint32_t, TimePoint>> late_cancels_;
  std::vector<usb::IsoPacket> iso_results_;
  wire::ring::LinkState link_state_ = wire::ring::LinkState::U0;
  std::function<void()> gone_;
  bool in_call_ = false;
};

}  // namespace periprox::session
