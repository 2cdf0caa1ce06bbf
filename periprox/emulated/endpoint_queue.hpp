// The URBs of one endpoint, in their order, and what the endpoint is doing with the first of them.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/base/ring_queue.hpp"
#include "periprox/emulated/declaration.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::emulated {

/// An URB that waits for its turn.
struct QueuedUrb {
  usb::Urb urb;
  std::uint64_t id = 0;           ///< Rises with every URB of the device.
  std::uint64_t start_frame = 0;  ///< Isochronous: the first frame it is scheduled in.
  std::uint64_t end_frame = 0;    ///< Isochronous: the frame after its last one.
};

/// One endpoint's state. Only the first URB is ever worked on, so that the order is kept by
/// construction.
struct EndpointQueue {
  RingQueue<QueuedUrb> urbs;
  /// The declared endpoint that is active at this address; null for endpoint 0 and for none.
  const Endpoint* endpoint = nullptr;
  std::uint8_t interface_number = 0;
  /// Id of the first URB while a handler owes the answer; 0 = nobody does.
  std::uint64_t with_handler = 0;
  /// The first URB has its outcome, and is completed as soon as the handler has returned.
  bool settled = false;
  bool serving = false;  ///< The first URB is being served further up the stack.
  bool pumping = false;  ///< pump() runs further up the stack.
  bool halted = false;
  /// IN data beyond what the host asked for, which its next transfers get.
  std::vector<std::byte> surplus;
  std::size_t surplus_taken = 0;
  /// Interrupt: the first polling interval that is not used yet. Isochronous: the first free frame.
  std::uint64_t next_slot = 0;
  /// Isochronous: how far the stream is behind, because its URBs were served late.
  Duration late_by{};
  TimerId timer{};
  TimePoint timer_due{};

  [[nodiscard]] QueuedUrb& front() { return urbs.front(); }
  [[nodiscard]] Bytes surplus_left() const { return Bytes(surplus).subspan(surplus_taken); }
  void forget_surplus() {
    surplus.clear();
    surplus_taken = 0;
  }

  /// Forgets the halt and the schedule, as a reset or a new setting does.
  void start_over() {
    halted = false;
    next_slot = 0;
    late_by = {};
  }

  /// Takes the URB at `place` out; the others keep their order.
  usb::Urb take(std::size_t place) {
    auto urb = std::move(urbs[place].urb);
    for (; place > 0; --place) urbs[place] = std::move(urbs[place - 1]);
    (void)urbs.pop();
    return urb;
  }
};

}  // namespace periprox::emulated
