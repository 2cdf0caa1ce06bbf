// The host that lives in this process: it makes transfers on any usb::Device, no kernel involved.
//
// How it works: a transfer is one URB, or several one after another when it is long, cut at packet
// boundaries so that the device sees one transfer. Each has a deadline; what is late is cancelled
// and reported as TimedOut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/clock.hpp"
#include "periprox/base/strong_id.hpp"
#include "periprox/usb/device.hpp"

namespace periprox::host {

using TransferId = StrongId<struct TransferTag, std::uint64_t>;

/// How a transfer ended.
struct Outcome {
  usb::Status status = usb::Status::Ok;
  /// What came in; also when the status is an error and some had come before it.
  std::vector<std::byte> data;
  /// Bytes moved in either direction.
  std::size_t actual_length = 0;
};

/// Drives one device. Single-threaded, on the loop of its timers. The device and the timers outlive
/// it; what is pending when it is destroyed is cancelled and not reported.
class Local final : private usb::CompletionSink {
 public:
  /// Called once for each transfer, possibly before the call that started it returns.
  using Done = std::function<void(Outcome)>;

  Local(usb::Device& device, Timers& timers);
  ~Local();
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;

  [[nodiscard]] usb::Device& device() const { return device_; }

  /// Makes a control request. `data` is the data stage of an OUT request, wLength bytes long.
  TransferId control(const usb::SetupPacket& setup, Bytes data, Duration timeout, Done done);
  /// Reads up to `length` bytes from a bulk or interrupt endpoint; a short packet ends it. Killed
  /// when the active settings have no such endpoint, InvalidArgument when it is isochronous.
  TransferId in(usb::EndpointAddress endpoint, std::size_t length, Duration timeout, Done done);
  /// Writes `data` to a bulk or interrupt endpoint; `flags.zero_packet` ends it with an empty
  /// packet when it ends on a full one. Fails as in() does.
  TransferId out(usb::EndpointAddress endpoint, Bytes data, usb::TransferFlags flags,
                 Duration timeout, Done done);
  /// Wants a transfer back early: it ends as Cancelled, or with its real outcome. Harmless when it
  /// has ended already.
  void cancel(TransferId transfer);

  /// Makes the device's first configuration active if none is. Ok at once when one is.
  TransferId ensure_configured(Duration timeout, Done done);

  /// Longest single URB of a bulk or interrupt transfer.
  static constexpr std::uint32_t kLongestUrb = std::uint32_t{1} << 20;

 private:
  struct Transfer;

  TransferId start(std::unique_ptr<Transfer> transfer, Duration timeout);
  void submit_next(std::uint64_t id);
  [[nodiscard]] usb::Urb next_urb(Transfer& transfer);
  void on_completed(usb::Urb urb, std::uint64_t cookie) override;
  void finish(std::uint64_t id);
  void late(std::uint64_t id);

  usb::Device& device_;
  Timers& timers_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Transfer>> transfers_;
};

}  // namespace periprox::host
