// Control requests of a recorded device: what changes the device is done, what asks is answered by
// the book, and what the book does not have is a miss.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "periprox/recorded/recorded_device.hpp"
#include "periprox/usb/request_text.hpp"

namespace periprox::recorded {
namespace {

using usb::EndpointAddress;
using usb::SetupPacket;
using usb::StandardRequest;
using usb::Status;

BookAnswer bytes_answer(std::initializer_list<std::uint8_t> bytes, std::uint16_t length) {
  BookAnswer answer;
  for (const auto byte : bytes) {
    if (answer.data.size() < length) answer.data.push_back(std::byte{byte});
  }
  return answer;
}

}  // namespace

void RecordedDevice::play_control(std::size_t place) {
  const auto& urb = *players_[place].urbs.front();
  auto answer = standard_answer(urb.setup);
  if (!answer)
    answer = book_.find(urb.setup, urb.is_in() || !urb.payload ? Bytes{} : Bytes(urb.data()));
  if (!answer) answer = miss(urb);
  if (is_gone_) return;
  serve(place, scaled(answer->took), [this, answer = std::move(*answer)](usb::Urb done) {
    end_control(std::move(done), answer);
  });
}

void RecordedDevice::end_control(usb::Urb urb, const BookAnswer& answer) {
  auto status = answer.status;
  std::size_t count = urb->is_in() ? answer.data.size() : urb->length;
  if (status != Status::Ok && !urb->is_in()) count = 0;
  if (urb->is_in() && count > 0) {
    count = std::min<std::size_t>(count, urb->length);
    if (!urb->payload) urb->payload = pool_.allocate(urb->length);
    if (!urb->payload) {
      urb.complete(Status::NoMemory, 0);
      return;
    }
    std::memcpy(urb->payload.data(), answer.data.data(), count);
  }
  if (status == Status::Ok && urb->flags.short_not_ok && urb->is_in() && count < urb->length)
    status = Status::ShortTransfer;
  urb.complete(status, static_cast<std::uint32_t>(count));
}

/// Requests that every device answers in the same way, or that change this one.
std::optional<BookAnswer> RecordedDevice::standard_answer(const SetupPacket& setup) {
  const BookAnswer done;
  const BookAnswer refused{.status = Status::Stalled};
  if (setup.is_set_address()) return done;
  if (setup.is_port_reset()) {
    model_.reset_alternate_settings();
    for (std::size_t place = 1; place < players_.size(); ++place) {
      players_[place].is_halted = false;
      give_back(place, Status::Cancelled);
    }
    return done;
  }
  if (setup.is_set_configuration()) {
    if (!model_.set_configuration(static_cast<std::uint8_t>(setup.wValue))) return refused;
    settings_changed();
    return done;
  }
  if (setup.is_set_interface()) {
    if (!model_.set_interface(static_cast<std::uint8_t>(setup.wIndex),
                              static_cast<std::uint8_t>(setup.wValue)))
      return refused;
    settings_changed();
    return done;
  }
  if (setup.recipient() == usb::Recipient::Endpoint && setup.wValue == usb::kFeatureEndpointHalt &&
      (setup.is_standard(StandardRequest::SetFeature) ||
       setup.is_standard(StandardRequest::ClearFeature))) {
    set_halt(EndpointAddress(static_cast<std::uint8_t>(setup.wIndex)),
             setup.is_standard(StandardRequest::SetFeature));
    return done;
  }
  if (setup.is_standard(StandardRequest::GetConfiguration))
    return bytes_answer({model_.configuration_value()}, setup.wLength);
  if (setup.is_standard(StandardRequest::GetInterface)) {
    const auto alternate = model_.alternate_setting(static_cast<std::uint8_t>(setup.wIndex));
    return bytes_answer({alternate}, setup.wLength);
  }
  return std::nullopt;
}

BookAnswer RecordedDevice::miss(const usb::UrbData& urb) {
  const auto& setup = urb.setup;
  const BookAnswer refused{.status = Status::Stalled};
  // Hosts ask for descriptors that a device may lack, and for its status, as they please.
  if (setup.is_standard(StandardRequest::GetStatus)) return bytes_answer({0, 0}, setup.wLength);
  if (setup.is_standard(StandardRequest::GetDescriptor)) return refused;
  if (setup.is_standard(StandardRequest::SetFeature) ||
      setup.is_standard(StandardRequest::ClearFeature) ||
      setup.is_standard(StandardRequest::SetSel) ||
      setup.is_standard(StandardRequest::SetIsochDelay))
    return {};
  diverge("the recording has no " + usb::request_text(setup));
  if (options_.on_miss == OnMiss::Stop) {
    go_away();
    return refused;
  }
  if (options_.on_miss == OnMiss::Stall) return refused;
  return book_.nearest(setup).value_or(refused);
}

}  // namespace periprox::recorded
