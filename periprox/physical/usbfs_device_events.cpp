// What the kernel reports about a device: completions, and that it is gone.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "periprox/physical/usbfs_device_impl.hpp"

namespace periprox::physical {
namespace {

// So that one busy device leaves the event loop to others now and then.
constexpr std::size_t kReapsPerTurn = 64;
// A device that was unplugged gives its last URBs back while the kernel takes it apart.
constexpr auto kDrainPause = std::chrono::milliseconds(5);
constexpr unsigned kMostDrainTries = 400;

}  // namespace

/// The node is ready to be written to when an URB has completed; it stays registered for that, so
/// an URB costs no system call for the waiting, and the kernel need not look whether another has:
/// who reaps all knows. While a helper thread has the device, nothing may be reaped.
void UsbfsDevice::Impl::update_wants() {
  if (!watch_) return;
  watch_->want({.write = !gate_closed_ && !hung_up_, .hangup = !hung_up_});
}

void UsbfsDevice::Impl::on_ready(Ready ready) {
  const auto keep = shared_from_this();
  const Loop::Batch batch(loop_);
  if (ready.write) reap(kReapsPerTurn);
  if (ready.hangup && !closed_) on_hangup();
}

/// Takes what has completed.
void UsbfsDevice::Impl::reap(std::size_t most) {
  bool connected = true;
  for (std::size_t i = 0; i < most && in_kernel_ > 0; ++i) {
    const Reaped reaped = usbfs_.reap();
    if (reaped.urb == nullptr) {
      connected = reaped.error != ENODEV;
      watch_->drained({.write = true});
      break;
    }
    on_reaped(*reaped.urb);
    if (closed_) return;
  }
  if (in_kernel_ == 0) watch_->drained({.write = true});
  if (!connected) {
    on_hangup();
    return;
  }
  if (starved_ || !specials_.empty()) {
    starved_ = false;
    pump_all();
  }
}

void UsbfsDevice::Impl::on_reaped(KernelUrb& piece) {
  --in_kernel_;
  auto& transfer = *static_cast<Transfer*>(piece.owner);
  collect_piece(transfer, piece);
  if (transfer.reaped < transfer.piece_count) return;
  conclude_transfer(transfer, transfer.error == 0 ? KilledBy::Settings : killed_by());
  if (transfer.clears_halt && transfer.urb->status == usb::Status::Ok) {
    // As usb_clear_halt() does; an error means that the endpoint is gone meanwhile.
    (void)usbfs_.reset_endpoint(halt_target(transfer));
  }
  retire(list_of(transfer), transfer);
}

KilledBy UsbfsDevice::Impl::killed_by() const {
  if (hung_up_ || usbfs_.disconnected()) return KilledBy::Unplug;
  return resetting_ ? KilledBy::Reset : KilledBy::Settings;
}

void UsbfsDevice::Impl::on_hangup() {
  if (hung_up_ || !usbfs_.disconnected()) return;
  hung_up_ = true;
  update_wants();
  if (!gate_closed_) drain_gone();
}

void UsbfsDevice::Impl::drain_gone() {
  while (in_kernel_ > 0) {
    const Reaped reaped = usbfs_.reap();
    if (reaped.urb == nullptr) break;
    on_reaped(*reaped.urb);
    if (closed_) return;
  }
  if (in_kernel_ == 0 || ++drain_tries_ > kMostDrainTries) {
    finish_gone();
    return;
  }
  gone_timer_ =
      loop_.call_at(loop_.now() + kDrainPause, weakly([](Impl& self) { self.drain_gone(); }));
}

void UsbfsDevice::Impl::finish_gone() {
  gone_ = true;
  specials_.clear();
  for (auto& list : lists_) {
    while (Transfer* transfer = list.front()) {
      // One that the kernel kept is never reaped any more, so its record may serve no other URB; it
      // stays allocated, as the kernel may still hold its address.
      if (transfer->state != Transfer::State::Finished) {
        transfer->urb->status = usb::Status::DeviceGone;
        transfer->urb->actual_length = 0;
      }
      retire(list, *transfer);
      if (closed_) return;
    }
  }
  // Closing the hub's node takes the kernel's lock of the hub, which is busy with this very unplug.
  pool_.run([core = core_] {
    const std::lock_guard lock(core->mutex);
    // Null: the device was destroyed meanwhile, and the thread that does that came first.
    if (core->claim) core->claim->forget();
  });
  for (const auto& handler : std::exchange(gone_handlers_, {})) {
    handler();
    if (closed_) return;
  }
}

void UsbfsDevice::Impl::on_gone(std::function<void()> handler) {
  if (gone_) {
    loop_.post(weakly([handler = std::move(handler)](Impl&) { handler(); }));
  } else {
    gone_handlers_.push_back(std::move(handler));
  }
}

}  // namespace periprox::physical
