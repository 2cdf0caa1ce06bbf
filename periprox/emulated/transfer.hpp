// What a handler gets when the host moves data: one transfer, to be answered now or later.
//
// The engine keeps the URB; a transfer is only a ticket for it. So the engine can cancel, reset and
// unplug at any time, and a ticket that came too late does nothing. A transfer answers at most
// once; answering consumes it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "periprox/base/bytes.hpp"
#include "periprox/base/payload.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/usb/speed.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::emulated {

class ConstantData;
class EmulatedDevice;

/// Names one URB that a handler has to answer. Move-only; dropping one that is still pending stalls
/// it, so that a forgotten answer is seen by the host instead of hanging it.
class Ticket {
 public:
  Ticket() = default;
  Ticket(std::shared_ptr<EmulatedDevice*> device, std::uint8_t queue, std::uint64_t id)
      : device_(std::move(device)), id_(id), queue_(queue) {}
  Ticket(Ticket&&) noexcept = default;
  Ticket& operator=(Ticket&& other) noexcept;
  ~Ticket() { drop(); }

  [[nodiscard]] bool pending() const;
  /// The URB; only while pending().
  [[nodiscard]] usb::UrbData& urb() const;
  [[nodiscard]] EmulatedDevice& device() const { return **device_; }
  [[nodiscard]] std::uint8_t queue() const { return queue_; }

 private:
  void drop();

  std::shared_ptr<EmulatedDevice*> device_;  // Points to null once the device is destroyed.
  std::uint64_t id_ = 0;
  std::uint8_t queue_ = 0;
};

/// The host wants data from a bulk or interrupt endpoint. A handler that has none yet keeps the
/// transfer and answers later: that is what NAK looks like here.
class InTransfer {
 public:
  InTransfer() = default;
  explicit InTransfer(Ticket ticket) : ticket_(std::move(ticket)) {}

  /// False once answered, cancelled, reset, or for a default-constructed one. What follows may only
  /// be asked while this is true; an answer that comes too late is ignored.
  [[nodiscard]] bool pending() const { return ticket_.pending(); }
  [[nodiscard]] explicit operator bool() const { return pending(); }
  /// Bytes that the host asked for.
  [[nodiscard]] std::uint32_t length() const { return ticket_.urb().length; }
  [[nodiscard]] std::uint16_t max_packet_size() const;
  [[nodiscard]] usb::Speed speed() const;

  /// Answers with a whole transfer, ended by a short or zero-length packet. More than the host
  /// asked for goes on in its next transfers; where a packet does not fit its buffer, that is a
  /// babble.
  void send(Bytes data);
  /// Answers with the first `count` bytes of `data` without copying; count <= length().
  void send(ConstantData& data, std::uint32_t count);
  /// Room for `count` <= length() bytes to be written in place and then sent with send_reserved().
  /// Empty when there is no memory.
  [[nodiscard]] MutableBytes reserve(std::uint32_t count);
  /// Answers with the first `count` bytes of what reserve() gave.
  void send_reserved(std::uint32_t count);
  /// The same, then STALL: the endpoint is halted. When the data does not end this transfer by
  /// itself (it ends on a full packet), this one ends as stalled, with the data.
  void send_reserved_then_stall(std::uint32_t count);
  /// Answers STALL: the endpoint is halted until the host clears it.
  void stall();

 private:
  Ticket ticket_;
};

/// The host gave data to a bulk or interrupt endpoint. A handler that has no room keeps the
/// transfer.
class OutTransfer {
 public:
  OutTransfer() = default;
  explicit OutTransfer(Ticket ticket) : ticket_(std::move(ticket)) {}

  [[nodiscard]] bool pending() const { return ticket_.pending(); }
  [[nodiscard]] explicit operator bool() const { return pending(); }
  /// What the host sent; valid until the answer.
  [[nodiscard]] Bytes data() const { return ticket_.urb().data(); }
  [[nodiscard]] std::uint16_t max_packet_size() const;
  [[nodiscard]] usb::Speed speed() const;
  /// True when a packet shorter than the maximum (or of zero length) ended it, so that the message
  /// is complete.
  [[nodiscard]] bool ends_short() const;

  /// Takes all of it.
  void accept();
  /// Takes all of it and halts the endpoint: the next transfer gets STALL.
  void accept_then_halt();
  /// Takes the first `count` bytes, then answers STALL: the transfer ends as stalled.
  void accept_then_stall(std::uint32_t count);
  /// Answers STALL: the endpoint is halted until the host clears it.
  void stall();

 private:
  Ticket ticket_;
};

/// The host makes a class or vendor request. Order of the answers is the order of the requests, so
/// one that is kept makes the next ones wait.
class ControlTransfer {
 public:
  ControlTransfer() = default;
  explicit ControlTransfer(Ticket ticket) : ticket_(std::move(ticket)) {}

  [[nodiscard]] bool pending() const { return ticket_.pending(); }
  [[nodiscard]] explicit operator bool() const { return pending(); }
  [[nodiscard]] const usb::SetupPacket& setup() const { return ticket_.urb().setup; }
  /// The data stage of an OUT request; empty for IN.
  [[nodiscard]] Bytes data() const;
  [[nodiscard]] usb::Speed speed() const;

  /// Answers an IN request; never more than wLength goes out.
  void send(Bytes data);
  /// Acknowledges a request without IN data.
  void accept();
  /// Refuses the request; the next one is served as usual (USB 2.0, 8.5.3.4).
  void stall();

 private:
  Ticket ticket_;
};

}  // namespace periprox::emulated
