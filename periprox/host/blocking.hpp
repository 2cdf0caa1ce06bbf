// Transfers for programs that have nothing else to do meanwhile: each call runs the event loop
// until its transfer has ended.
#pragma once

#include <functional>
#include <optional>

#include "periprox/base/result.hpp"
#include "periprox/host/local.hpp"

namespace periprox {
class Loop;
}

namespace periprox::host {

/// Local with calls that return the outcome. Not to be used from a callback of the loop.
class Blocking final {
 public:
  /// `loop` and `device` outlive it.
  Blocking(Loop& loop, usb::Device& device);

  [[nodiscard]] usb::Device& device() const { return local_.device(); }
  Outcome control(const usb::SetupPacket& setup, Bytes data, Duration timeout);
  Outcome in(usb::EndpointAddress endpoint, std::size_t length, Duration timeout);
  Outcome out(usb::EndpointAddress endpoint, Bytes data, usb::TransferFlags flags,
              Duration timeout);
  Outcome ensure_configured(Duration timeout);

  /// Cancels the transfer that is under way, and every later one at its start. May be called from a
  /// callback of the loop, e.g. upon a signal.
  void interrupt();
  [[nodiscard]] bool interrupted() const { return interrupted_; }

 private:
  Outcome run(const std::function<TransferId(Local::Done)>& start);

  Loop& loop_;
  Local local_;
  std::optional<TransferId> under_way_;
  bool interrupted_ = false;
};

}  // namespace periprox::host
