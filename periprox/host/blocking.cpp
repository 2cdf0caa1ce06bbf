#include "periprox/host/blocking.hpp"

#include <utility>

#include "periprox/loop/loop.hpp"

namespace periprox::host {

Blocking::Blocking(Loop& loop, usb::Device& device) : loop_(loop), local_(device, loop) {}

Outcome Blocking::control(const usb::SetupPacket& setup, Bytes data, Duration timeout) {
  return run(
      [&](Local::Done done) { return local_.control(setup, data, timeout, std::move(done)); });
}

Outcome Blocking::in(usb::EndpointAddress endpoint, std::size_t length, Duration timeout) {
  return run(
      [&](Local::Done done) { return local_.in(endpoint, length, timeout, std::move(done)); });
}

Outcome Blocking::out(usb::EndpointAddress endpoint, Bytes data, usb::TransferFlags flags,
                      Duration timeout) {
  return run([&](Local::Done done) {
    return local_.out(endpoint, data, flags, timeout, std::move(done));
  });
}

Outcome Blocking::ensure_configured(Duration timeout) {
  return run([&](Local::Done done) { return local_.ensure_configured(timeout, std::move(done)); });
}

Outcome Blocking::run(const std::function<TransferId(Local::Done)>& start) {
  if (interrupted_) return Outcome{.status = usb::Status::Cancelled};
  std::optional<Outcome> outcome;
  under_way_ = start([&outcome](Outcome result) { outcome = std::move(result); });
  // Its deadline keeps the loop busy, so the loop cannot run dry before the transfer ends.
  loop_.run_until([&outcome] { return outcome.has_value(); });
  under_way_.reset();
  return std::move(*outcome);
}

void Blocking::interrupt() {
  interrupted_ = true;
  if (under_way_) local_.cancel(*under_way_);
}

}  // namespace periprox::host
