// The ends of a server session: closed by us, by a malformed message, because the device is gone,
// or because it is to be unplugged although the device is silent.
//
// Where the client is Linux's vhci_hcd, how it ends matters: URBs that are pending when the
// connection closes are given back only when the kernel removes the device, and that waits for the
// device's lock. A driver or program that holds the lock while it waits for such an URB would then
// hang for ever, so everything is answered before the connection ends.
#include <algorithm>
#include <utility>

#include "periprox/session/usbip_server.hpp"
#include "periprox/usb/status.hpp"

namespace periprox::session {

using usb::Status;

void UsbipServer::close() {
  if (state_ == State::Ending) return;
  state_ = State::Ending;
  deadline_.reset();
  gone_until_.reset();
  held_until_.reset();
  held_unlinks_.clear();
  // incoming_ stays: the link may be reading into its payload at this moment.
  for (const auto slot : pending_.slots()) {
    // A completion may come at once and free the slot of another URB too.
    if (const auto handle = pending_[slot].handle) lease_->device().cancel(handle);
  }
  if (pending_.size() > 0) farewell_until_ = kStampLater;
}

bool UsbipServer::finished() const {
  return state_ == State::Ending && (pending_.size() == 0 || farewell_over_);
}

void UsbipServer::malformed(std::string why) {
  failure_ = Error{Error::Kind::Malformed,
                   "malformed message at offset " + std::to_string(message_offset_),
                   std::move(why),
                   {}};
  close();
}

void UsbipServer::unplug() {
  if (state_ == State::Ending || unplugged_) return;
  if (!lease_) {
    close();
    changed();
    return;
  }
  unplugged_ = true;
  if (!gone_until_) gone_until_ = kStampLater;
  auto slots = pending_.slots();
  // Oldest first: the URBs of an endpoint end in the order in which they were submitted.
  std::sort(slots.begin(), slots.end(), [this](auto a, auto b) {
    return *last_submit_ - pending_[a].seqnum.value() > *last_submit_ - pending_[b].seqnum.value();
  });
  // What waits to be read is newer than all of them.
  const bool was_processing = std::exchange(processing_, true);
  for (const auto slot : slots) answer_for_device(slot);
  processing_ = was_processing;
  process();
  changed();
}

/// Answers an URB that is still at the device as one of a device that is gone, and leaves the URB
/// itself to the device: what becomes of it interests nobody any more.
void UsbipServer::answer_for_device(PendingUrbs::Slot slot) {
  const auto handle = std::exchange(pending_[slot].handle, {});
  if (!handle) return;  // The end of another URB was its end too.
  handle.forget_sink(*this);
  auto stand_in = urbs_.take();
  stand_in->iso_packets = handle->iso_packets;
  for (auto& packet : stand_in->iso_packets) {
    packet.actual_length = 0;
    packet.status = Status::DeviceGone;
  }
  stand_in.push_sink(*this, slot);
  stand_in.complete(Status::DeviceGone, 0);
  lease_->device().cancel(handle);
}

void UsbipServer::device_gone() {
  // Everything pending was answered by the device. More may be on its way: the device refuses that,
  // and the client is told, before the connection ends.
  if (state_ != State::Ending) {
    if (!gone_until_) gone_until_ = kStampLater;
    device_is_gone_ = true;
  }
  changed();
}

/// Tells the pump, unless it is in a call and looks by itself.
void UsbipServer::changed() {
  if (!in_call_ && waker_ != nullptr) waker_->wake();
}

}  // namespace periprox::session
