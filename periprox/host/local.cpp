#include "periprox/host/local.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace periprox::host {

using usb::Status;
using usb::TransferType;
using usb::Urb;

struct Local::Transfer {
  usb::EndpointAddress endpoint;
  TransferType type = TransferType::Control;
  usb::SetupPacket setup;
  usb::TransferFlags flags;
  std::vector<std::byte> data;  // OUT: to be sent. IN: what has come.
  std::size_t length = 0;       // Of the whole transfer.
  std::size_t moved = 0;
  std::uint32_t longest_urb = 0;
  Done done;

  usb::UrbHandle under_way;
  std::optional<TimerId> timer;
  bool is_late = false;
  bool unwanted = false;    // Cancelled: no further URB is submitted.
  bool submitting = false;  // The device may complete within submit().
  bool returned = false;    // It did.
  std::optional<Status> ended;
};

Local::Local(usb::Device& device, Timers& timers) : device_(device), timers_(timers) {}

Local::~Local() {
  for (auto& [id, transfer] : transfers_) {
    if (transfer->timer) timers_.cancel(*transfer->timer);
    const auto handle = transfer->under_way;
    if (!handle) continue;
    handle.forget_sink(*this);
    device_.cancel(handle);
  }
}

TransferId Local::control(const usb::SetupPacket& setup, Bytes data, Duration timeout, Done done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->endpoint =
      usb::EndpointAddress(0, setup.is_in() ? usb::Direction::In : usb::Direction::Out);
  transfer->setup = setup;
  transfer->length = setup.wLength;
  transfer->longest_urb = setup.wLength;
  transfer->data.assign(data.begin(), data.end());
  transfer->done = std::move(done);
  if (!setup.is_in() && data.size() != setup.wLength) transfer->ended = Status::BadLength;
  return start(std::move(transfer), timeout);
}

namespace {

/// Why nothing can be transferred on an endpoint, if so.
std::optional<Status> refusal(const usb::EndpointInfo* endpoint) {
  if (endpoint == nullptr) return Status::Killed;
  if (endpoint->type == TransferType::Isochronous) return Status::InvalidArgument;
  return std::nullopt;
}

/// The most that can be asked for at once so that the next URB starts on a packet boundary.
std::uint32_t whole_packets(const usb::EndpointInfo* endpoint) {
  const std::uint32_t packet =
      endpoint == nullptr ? 1 : std::max<std::uint32_t>(1, endpoint->max_packet_size);
  return Local::kLongestUrb / packet * packet;
}

}  // namespace

TransferId Local::in(usb::EndpointAddress endpoint, std::size_t length, Duration timeout,
                     Done done) {
  auto transfer = std::make_unique<Transfer>();
  const auto* info = device_.model().endpoint(endpoint);
  transfer->endpoint = endpoint;
  transfer->type = info != nullptr ? info->type : TransferType::Bulk;
  transfer->length = length;
  transfer->longest_urb = whole_packets(info);
  transfer->ended = refusal(info);
  transfer->done = std::move(done);
  return start(std::move(transfer), timeout);
}

TransferId Local::out(usb::EndpointAddress endpoint, Bytes data, usb::TransferFlags flags,
                      Duration timeout, Done done) {
  auto transfer = std::make_unique<Transfer>();
  const auto* info = device_.model().endpoint(endpoint);
  transfer->endpoint = endpoint;
  transfer->type = info != nullptr ? info->type : TransferType::Bulk;
  transfer->flags = flags;
  transfer->length = data.size();
  transfer->longest_urb = whole_packets(info);
  transfer->data.assign(data.begin(), data.end());
  transfer->ended = refusal(info);
  transfer->done = std::move(done);
  return start(std::move(transfer), timeout);
}

TransferId Local::ensure_configured(Duration timeout, Done done) {
  const auto& model = device_.model();
  if (model.configuration_value() != 0 || model.configurations().empty()) {
    done({});
    return TransferId();
  }
  const auto value = model.configurations().front().descriptor.bConfigurationValue;
  return control(usb::SetupPacket::set_configuration(value), {}, timeout, std::move(done));
}

TransferId Local::start(std::unique_ptr<Transfer> transfer, Duration timeout) {
  const std::uint64_t id = ++last_id_;
  auto& started = *transfer;
  transfers_.emplace(id, std::move(transfer));
  if (started.ended) {
    finish(id);
    return TransferId(id);
  }
  started.timer = timers_.call_at(timers_.now() + timeout, [this, id] { late(id); });
  submit_next(id);
  return TransferId(id);
}

/// Submits URB after URB as long as the device completes them within submit().
void Local::submit_next(std::uint64_t id) {
  auto& transfer = *transfers_.at(id);
  do {
    auto urb = next_urb(transfer);
    if (!urb) {
      transfer.ended = Status::NoMemory;
      break;
    }
    urb.push_sink(*this, id);
    transfer.under_way = urb.handle();
    transfer.submitting = true;
    transfer.returned = false;
    device_.submit(std::move(urb));
    transfer.submitting = false;
    if (!transfer.returned) return;
  } while (!transfer.ended);
  finish(id);
}

/// Nothing when there is no memory for its data.
Urb Local::next_urb(Transfer& transfer) {
  Urb urb = Urb::create();
  urb->endpoint = transfer.endpoint;
  urb->type = transfer.type;
  urb->setup = transfer.setup;
  urb->length = static_cast<std::uint32_t>(
      std::min<std::size_t>(transfer.length - transfer.moved, transfer.longest_urb));
  const bool is_last = transfer.moved + urb->length == transfer.length;
  if (is_last) urb->flags = transfer.flags;
  if (transfer.type == TransferType::Interrupt) {
    if (const auto* info = device_.model().endpoint(transfer.endpoint))
      urb->interval = info->interval;
  }
  if (!urb->is_in() && urb->length > 0) {
    urb->payload = device_.allocate(urb->length);
    if (!urb->payload) return {};
    std::memcpy(urb->payload.data(), transfer.data.data() + transfer.moved, urb->length);
  }
  return urb;
}

void Local::on_completed(Urb urb, std::uint64_t cookie) {
  auto& transfer = *transfers_.at(cookie);
  transfer.under_way = {};
  transfer.returned = true;
  const std::size_t moved = std::min(urb->actual_length, urb->length);
  if (urb->is_in() && urb->payload) {
    const auto came = urb->payload.first(std::min<std::size_t>(moved, urb->payload.capacity()));
    transfer.data.insert(transfer.data.end(), came.begin(), came.end());
  }
  transfer.moved += moved;
  if (urb->status != Status::Ok) {
    const bool cancelled = urb->status == Status::Cancelled || urb->status == Status::Killed;
    transfer.ended = transfer.is_late && cancelled ? Status::TimedOut : urb->status;
  } else if (transfer.moved == transfer.length || moved < urb->length) {
    transfer.ended = Status::Ok;
  } else if (transfer.unwanted) {
    transfer.ended = transfer.is_late ? Status::TimedOut : Status::Cancelled;
  }
  urb = Urb();
  if (transfer.submitting) return;  // submit_next() goes on.
  if (transfer.ended) {
    finish(cookie);
  } else {
    submit_next(cookie);
  }
}

void Local::cancel(TransferId id) {
  const auto found = transfers_.find(id.value());
  if (found == transfers_.end()) return;
  found->second->unwanted = true;
  if (found->second->under_way) device_.cancel(found->second->under_way);
}

void Local::late(std::uint64_t id) {
  auto& transfer = *transfers_.at(id);
  transfer.timer.reset();
  transfer.is_late = true;
  cancel(TransferId(id));
}

void Local::finish(std::uint64_t id) {
  auto node = transfers_.extract(id);
  auto& transfer = *node.mapped();
  if (transfer.timer) timers_.cancel(*transfer.timer);
  Outcome outcome{.status = *transfer.ended, .actual_length = transfer.moved};
  if (transfer.endpoint.is_in()) outcome.data = std::move(transfer.data);
  transfer.done(std::move(outcome));
}

}  // namespace periprox::host
