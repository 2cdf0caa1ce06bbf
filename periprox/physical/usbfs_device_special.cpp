// Requests whose calls block: a helper thread makes them, with the gate closed meanwhile.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "periprox/physical/usbfs_device_impl.hpp"

namespace periprox::physical {
namespace {

usb::Status request_status(const RequestOutcome& outcome) {
  // The kernel knows no such setting: the device would have answered STALL.
  if (outcome.error == EINVAL || outcome.error == ENOENT) return usb::Status::Stalled;
  if (outcome.error != 0) return usb::status_from_errno(outcome.error);
  return usb::status_from_errno(outcome.claim_error);
}

}  // namespace

void UsbfsDevice::Impl::forget_special(const Transfer& transfer) {
  std::erase(specials_, &transfer);
}

void UsbfsDevice::Impl::start_special(TransferList& list, Transfer& transfer) {
  const auto request = transfer.special;
  const auto setup = transfer.urb->setup;
  if (request == SpecialRequest::SetAddress || !request_makes_sense(request, setup, model_)) {
    forget_special(transfer);
    refuse(list, transfer,
           request == SpecialRequest::SetAddress ? usb::Status::Ok : usb::Status::Stalled);
    loop_.post(weakly([](Impl& self) { self.pump_all(); }));
    return;
  }
  list.advance();
  transfer.state = Transfer::State::Blocking;
  close_gate();
  pool_.run(
      loop_,
      [core = core_, request, setup, model = model_] {
        const std::lock_guard lock(core->mutex);
        // Null: the device was destroyed, and given back, before this thread came to run.
        if (!core->claim) return RequestOutcome{};
        return perform_request(request, setup, model, *core->usbfs, *core->claim);
      },
      [weak = weak_from_this()](const RequestOutcome& outcome) {
        if (const auto self = weak.lock(); self && !self->closed_) self->finish_special(outcome);
      });
}

void UsbfsDevice::Impl::finish_special(const RequestOutcome& outcome) {
  Transfer& transfer = *specials_.front();
  const auto setup = transfer.urb->setup;
  note_request(transfer.special, setup, outcome, model_);
  streams_ready_.reset();
  streams_refused_.reset();
  if (outcome.claim_error != 0 && outcome.error == 0 && options_.advise) {
    options_.advise("an interface was taken by another program or driver during a reset");
  }
  // URBs that the request killed complete before it does.
  resetting_ = transfer.special == SpecialRequest::PortReset;
  while (in_kernel_ > 0) {
    const Reaped reaped = usbfs_.reap();
    if (reaped.urb == nullptr) break;
    on_reaped(*reaped.urb);
    if (closed_) return;
  }
  resetting_ = false;
  specials_.erase(specials_.begin());
  transfer.urb->status = request_status(outcome);
  transfer.urb->actual_length = 0;
  retire(list_of(transfer), transfer);
  if (!closed_) open_gate();
}

void UsbfsDevice::Impl::close_gate() {
  gate_closed_ = true;
  update_wants();
}

void UsbfsDevice::Impl::open_gate() {
  gate_closed_ = false;
  if (std::exchange(cancels_wait_, false)) {
    for (auto& list : lists_) {
      for (Transfer* transfer = list.front(); transfer != nullptr; transfer = transfer->after) {
        if (transfer->cancelled && transfer->state == Transfer::State::InKernel) discard(*transfer);
      }
    }
  }
  if (hung_up_) {
    drain_gone();
    return;
  }
  pump_all();
  update_wants();
}

std::vector<std::uint8_t> UsbfsDevice::Impl::stream_endpoints(usb::EndpointAddress endpoint) const {
  std::vector<std::uint8_t> addresses;
  const auto* info = model_.endpoint(endpoint);
  const auto* configuration = model_.active_configuration();
  if (info == nullptr || configuration == nullptr) return addresses;
  const auto* interface = configuration->interface(info->interface_number);
  if (interface == nullptr) return addresses;
  const auto* setting = interface->alternate(model_.alternate_setting(info->interface_number));
  if (setting == nullptr) return addresses;
  bool wanted = false;
  for (const auto& candidate : setting->endpoints) {
    // bmAttributes bits 0-4 of a bulk endpoint's companion: MaxStreams (USB 3.2, table 9-27).
    if (candidate.type() != usb::TransferType::Bulk || !candidate.companion) continue;
    if ((candidate.companion->bmAttributes & 0x1f) == 0) continue;
    addresses.push_back(candidate.address().value());
    wanted = wanted || candidate.address() == endpoint;
  }
  if (!wanted) addresses.clear();
  return addresses;
}

void UsbfsDevice::Impl::start_streams(usb::EndpointAddress endpoint) {
  close_gate();
  const auto endpoints = stream_endpoints(endpoint);
  pool_.run(
      loop_,
      [core = core_, endpoints] {
        // The kernel takes what the endpoints and the controller have, when that is less.
        constexpr std::uint32_t kMostStreams = 65536;
        const std::lock_guard lock(core->mutex);
        return core->usbfs->allocate_streams(endpoints, kMostStreams);
      },
      [weak = weak_from_this(), endpoints](int error) {
        if (const auto self = weak.lock(); self && !self->closed_) {
          self->finish_streams(endpoints, error);
        }
      });
}

void UsbfsDevice::Impl::finish_streams(const std::vector<std::uint8_t>& endpoints, int error) {
  for (const std::uint8_t address : endpoints) {
    auto& result = error == 0 ? streams_ready_ : streams_refused_;
    result.set(usb::EndpointAddress(address).index());
  }
  open_gate();
}

}  // namespace periprox::physical
