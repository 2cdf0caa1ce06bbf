// Submitting and cancelling; see also the other usbfs_device_*.cpp.
#include "periprox/physical/usbfs_device.hpp"

#include <cerrno>
#include <utility>

#include "periprox/physical/usbfs_device_impl.hpp"

namespace periprox::physical {
namespace {

constexpr std::size_t kControl = 0;

/// What a submit that the kernel refused means on USB.
usb::Status submit_status(int error, const Transfer& transfer) {
  // usbfs looks at who a control request is for; where there is no such interface or endpoint, the
  // device would have answered STALL.
  const bool no_recipient = error == ENOENT || error == ESRCH || error == EINVAL;
  if (transfer.urb->endpoint.number() == 0 && no_recipient) return usb::Status::Stalled;
  return usb::status_from_errno(error);
}

}  // namespace

UsbfsDevice::UsbfsDevice(Loop& loop, BlockingPool& pool, std::shared_ptr<Usbfs> usbfs,
                         std::unique_ptr<Claim> claim, usb::DeviceModel model,
                         UsbfsDeviceOptions options)
    : impl_(std::make_shared<Impl>(loop, pool, std::move(usbfs), std::move(claim), std::move(model),
                                   std::move(options))) {
  impl_->open();
}

UsbfsDevice::~UsbfsDevice() { impl_->close(); }
const usb::DeviceModel& UsbfsDevice::model() const { return impl_->model(); }
void UsbfsDevice::submit(usb::Urb urb) {
  const auto keep = impl_;  // A completion from within may destroy this.
  keep->submit(std::move(urb));
}
void UsbfsDevice::cancel(usb::UrbHandle urb) {
  const auto keep = impl_;
  keep->cancel(urb);
}
Payload UsbfsDevice::allocate(std::uint32_t size) { return impl_->allocate(size); }
void UsbfsDevice::on_gone(std::function<void()> handler) { impl_->on_gone(std::move(handler)); }

UsbfsDevice::Impl::Impl(Loop& loop, BlockingPool& pool, std::shared_ptr<Usbfs> usbfs,
                        std::unique_ptr<Claim> claim, usb::DeviceModel model,
                        UsbfsDeviceOptions options)
    : loop_(loop),
      pool_(pool),
      core_(std::make_shared<Core>()),
      usbfs_(*usbfs),
      model_(std::move(model)),
      options_(std::move(options)),
      payloads_(usbfs, options_.mapped_limit),
      transfers_(std::make_shared<std::vector<std::unique_ptr<Transfer>>>()) {
  core_->usbfs = std::move(usbfs);
  core_->claim = std::move(claim);
}

UsbfsDevice::Impl::~Impl() = default;

void UsbfsDevice::Impl::open() {
  watch_.emplace(
      loop_, usbfs_.pollable(), [this](Ready ready) { on_ready(ready); }, Drained::HandlerSays);
  update_wants();
}

void UsbfsDevice::Impl::close() {
  closed_ = true;
  watch_.reset();
  loop_.cancel(gone_timer_);
  loop_.cancel(memory_timer_);
  std::vector<KernelUrb*> pending;
  for (auto& list : lists_) {
    for (Transfer* transfer = list.front(); transfer != nullptr; transfer = transfer->after) {
      for (std::size_t i = transfer->reaped; i < transfer->submitted; ++i) {
        pending.push_back(transfer->pieces[i].get());
      }
    }
  }
  // The kernel writes to an URB's memory only when it is reaped, and nobody will: so they can all
  // go back now, and the thread that waits for the controller need not be this one.
  for (auto& list : lists_) {
    while (Transfer* transfer = list.front()) {
      if (transfer->state != Transfer::State::Finished) {
        transfer->urb->status = usb::Status::Cancelled;
        transfer->urb->actual_length = 0;
      }
      retire(list, *transfer);
    }
  }
  pool_.run([core = core_, records = transfers_, pending = std::move(pending), gone = gone_] {
    const std::lock_guard lock(core->mutex);
    for (KernelUrb* piece : pending) (void)core->usbfs->discard(*piece);
    if (gone) core->claim->forget();
    core->claim.reset();
  });
}

Transfer& UsbfsDevice::Impl::take_transfer() {
  if (free_ == nullptr) return *transfers_->emplace_back(std::make_unique<Transfer>());
  Transfer& transfer = *free_;
  free_ = transfer.after;
  return transfer;
}

std::size_t UsbfsDevice::Impl::list_index(const Transfer& transfer) {
  const auto endpoint = transfer.urb->endpoint;
  return endpoint.number() == 0 ? kControl : endpoint.index();
}

void UsbfsDevice::Impl::submit(usb::Urb urb) {
  if (gone_ || closed_) {
    urb.complete(usb::Status::DeviceGone, 0);
    return;
  }
  Transfer& transfer = take_transfer();
  urb.set_device_note(reinterpret_cast<std::uintptr_t>(&transfer));
  transfer.urb = std::move(urb);
  transfer.serial = ++last_serial_;
  const usb::UrbData& data = *transfer.urb;
  if (data.endpoint.number() == 0 && data.length == 0 && data.setup.wLength == 0) {
    transfer.special = classify_request(data.setup);
    if (transfer.special != SpecialRequest::None) specials_.push_back(&transfer);
    transfer.clears_halt = clears_halt(data.setup);
    if (transfer.clears_halt) ++holds_[halt_target(transfer).index()];
  }
  const std::size_t index = list_index(transfer);
  lists_[index].append(transfer);
  pump(index);
}

void UsbfsDevice::Impl::cancel(usb::UrbHandle urb) {
  if (!urb || urb.device_note() == 0) return;
  auto& transfer = *reinterpret_cast<Transfer*>(static_cast<std::uintptr_t>(urb.device_note()));
  if (transfer.cancelled) return;
  transfer.cancelled = true;
  TransferList& list = list_of(transfer);
  if (transfer.state == Transfer::State::Waiting) {
    drop_unsent(transfer, usb::Status::Cancelled);
    if (transfer.submitted == 0) {
      forget_special(transfer);
      transfer.urb->status = usb::Status::Cancelled;
      transfer.urb->actual_length = 0;
      retire(list, transfer);
      // What waited behind it may belong to other endpoints: not from within this call.
      loop_.post(weakly([](Impl& self) { self.pump_all(); }));
      return;
    }
    list.advance();
    transfer.state = Transfer::State::InKernel;
  }
  if (transfer.state != Transfer::State::InKernel) return;
  if (gate_closed_) {
    cancels_wait_ = true;
  } else {
    discard(transfer);
  }
}

/// On the loop, although the kernel waits for the controller here: that takes a frame or two, and a
/// helper thread would hold the device's lock just as long, with every submit and reap behind it.
void UsbfsDevice::Impl::discard(Transfer& transfer) {
  // Backwards, so that no later piece starts on the bus meanwhile. EINVAL: it had completed
  // already, and its real outcome is on its way.
  for (std::size_t i = transfer.submitted; i-- > transfer.reaped;) {
    (void)usbfs_.discard(*transfer.pieces[i]);
  }
}

void UsbfsDevice::Impl::drop_unsent(Transfer& transfer, usb::Status status) {
  if (!transfer.prepared || transfer.submitted == transfer.piece_count) return;
  auto& packets = transfer.urb->iso_packets;
  for (std::size_t i = transfer.pieces[transfer.submitted]->first_packet; i < packets.size(); ++i) {
    packets[i].actual_length = 0;
    packets[i].status = status;
  }
  transfer.piece_count = transfer.submitted;
  if (transfer.error == 0) transfer.error = usb::to_errno(status);
}

void UsbfsDevice::Impl::pump(std::size_t index) {
  TransferList& list = lists_[index];
  while (!gate_closed_ && !closed_ && holds_[index] == 0) {
    Transfer* transfer = list.first_waiting();
    if (transfer == nullptr) return;
    if (transfer->special != SpecialRequest::None) {
      if (transfer != list.front()) return;
      start_special(list, *transfer);
    } else {
      const bool after_special = !specials_.empty() && specials_.front()->serial < transfer->serial;
      if (index != kControl && after_special) return;
      if (!hand_over(list, *transfer)) return;
    }
  }
}

void UsbfsDevice::Impl::pump_all() {
  // Endpoint 0 last: what was submitted before a special request goes to the kernel before it.
  for (std::size_t i = 1; i < lists_.size() && !closed_; ++i) pump(i);
  if (!closed_) pump(kControl);
}

/// False when the transfer has to wait.
bool UsbfsDevice::Impl::hand_over(TransferList& list, Transfer& transfer) {
  if (!transfer.prepared) {
    const auto endpoint = transfer.urb->endpoint;
    if (transfer.urb->stream_id != 0 && !streams_ready_[endpoint.index()]) {
      if (streams_refused_[endpoint.index()] || stream_endpoints(endpoint).empty()) {
        refuse(list, transfer, usb::Status::InvalidArgument);
        return true;
      }
      start_streams(endpoint);
      return false;
    }
    if (const auto refused = prepare_transfer(transfer, model_, payloads_)) {
      refuse(list, transfer, *refused);
      return true;
    }
  }
  while (transfer.submitted < transfer.piece_count) {
    const int error = usbfs_.submit(*transfer.pieces[transfer.submitted]);
    if (error == 0) {
      ++transfer.submitted;
      ++in_kernel_;
      idle_retries_ = 0;
      continue;
    }
    if (error == ENOMEM && starve(transfer)) return false;
    const auto status = submit_status(error, transfer);
    if (transfer.submitted == 0) {
      refuse(list, transfer, status);
      return true;
    }
    drop_unsent(transfer, status);
  }
  list.advance();
  transfer.state = Transfer::State::InKernel;
  return true;
}

/// Completes an URB that never reached the kernel, behind those before it.
void UsbfsDevice::Impl::refuse(TransferList& list, Transfer& transfer, usb::Status status) {
  transfer.urb->status = status;
  transfer.urb->actual_length = 0;
  if (&transfer == list.front()) {
    retire(list, transfer);
  } else {
    list.advance();
    transfer.state = Transfer::State::Finished;
  }
}

void UsbfsDevice::Impl::retire(TransferList& list, Transfer& transfer) {
  hand_back(list, transfer);
  Transfer* front = list.front();
  while (front != nullptr && front->state == Transfer::State::Finished) {
    hand_back(list, *front);
    front = list.front();
  }
}

usb::EndpointAddress UsbfsDevice::Impl::halt_target(const Transfer& transfer) {
  return usb::EndpointAddress(static_cast<std::uint8_t>(transfer.urb->setup.wIndex & 0x8f));
}

/// Lets the endpoint go on whose halt has been cleared, or not.
void UsbfsDevice::Impl::release_hold(Transfer& transfer) {
  const auto index = halt_target(transfer).index();
  if (--holds_[index] > 0 || lists_[index].first_waiting() == nullptr) return;
  loop_.post(weakly([index](Impl& self) { self.pump(index); }));
}

/// The record is free for another URB before anybody hears of this one.
void UsbfsDevice::Impl::hand_back(TransferList& list, Transfer& transfer) {
  list.remove(transfer);
  if (transfer.clears_halt) release_hold(transfer);
  usb::Urb urb = std::move(transfer.urb);
  urb.set_device_note(0);
  transfer.clear();
  transfer.after = std::exchange(free_, &transfer);
  urb.complete();
}

}  // namespace periprox::physical
