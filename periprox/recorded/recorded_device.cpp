#include "periprox/recorded/recorded_device.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "periprox/usb/hex_text.hpp"

namespace periprox::recorded {
namespace {

using usb::Direction;
using usb::EndpointAddress;
using usb::Status;
using usb::TransferType;

EndpointAddress endpoint_at(std::size_t place) {
  return EndpointAddress(static_cast<std::uint8_t>(place & 0x0f),
                         place >= 16 ? Direction::In : Direction::Out);
}

}  // namespace

RecordedDevice::RecordedDevice(Recording recording, PlayOptions options, Timers& timers)
    : recording_(std::move(recording)),
      options_(std::move(options)),
      timers_(timers),
      model_(recording_.model),
      book_(recording_) {}

RecordedDevice::~RecordedDevice() {
  *self_ = nullptr;
  is_gone_ = true;
  for (std::size_t place = 0; place < players_.size(); ++place)
    give_back(place, Status::DeviceGone);
}

std::size_t RecordedDevice::place_of(EndpointAddress endpoint) {
  return endpoint.number() == 0 ? 0 : endpoint.index();
}

void RecordedDevice::on_gone(std::function<void()> handler) {
  gone_handler_ = std::move(handler);
  if (!is_gone_) return;
  if (const auto call = std::exchange(gone_handler_, {})) call();
}

void RecordedDevice::submit(usb::Urb urb) {
  if (is_gone_) {
    urb.complete(Status::DeviceGone, 0);
    return;
  }
  if (model_.endpoint(urb->endpoint) == nullptr) {
    urb.complete(Status::Killed, 0);
    return;
  }
  const auto place = place_of(urb->endpoint);
  players_[place].urbs.push_back(std::move(urb));
  play(place);
}

void RecordedDevice::cancel(usb::UrbHandle urb) {
  const auto place = place_of(urb->endpoint);
  auto& player = players_[place];
  const auto found = std::ranges::find(player.urbs, urb, &usb::Urb::handle);
  if (found == player.urbs.end()) return;
  if (found == player.urbs.begin() && player.timer)
    timers_.cancel(*std::exchange(player.timer, {}));
  auto cancelled = std::move(*found);
  player.urbs.erase(found);
  cancelled.complete(Status::Cancelled, 0);
  play(place);
}

void RecordedDevice::play(std::size_t place) {
  auto& player = players_[place];
  if (player.urbs.empty() || player.timer || is_gone_) return;
  if (place == 0) {
    play_control(place);
  } else if (player.is_halted) {
    serve(place, {}, [](usb::Urb urb) { urb.complete(Status::Stalled, 0); });
  } else if (player.urbs.front()->type == TransferType::Isochronous) {
    play_isochronous(place);
  } else if (endpoint_at(place).is_in()) {
    play_in(place);
  } else {
    play_out(place);
  }
}

void RecordedDevice::play_all() {
  for (std::size_t place = 1; place < players_.size(); ++place) play(place);
}

Duration RecordedDevice::scaled(Duration took) const {
  if (options_.speed_up <= 0) return {};
  return Duration(static_cast<std::int64_t>(static_cast<double>(took.count()) / options_.speed_up));
}

/// Completes the first URB with `end` after its time; never at once, so that a host which asks
/// again at once cannot starve the loop.
void RecordedDevice::serve(std::size_t place, Duration took, std::function<void(usb::Urb)> end) {
  players_[place].timer =
      timers_.call_at(timers_.now() + took, [self = self_, place, end = std::move(end)] {
        if (*self == nullptr) return;
        auto& player = (*self)->players_[place];
        player.timer.reset();
        auto urb = std::move(player.urbs.front());
        player.urbs.pop_front();
        end(std::move(urb));
        if (*self != nullptr) (*self)->play(place);
      });
}

// ---- Bulk and interrupt -------------------------------------------------------------------------

/// True when the host has sent everything that it had sent before this step in the recording.
bool RecordedDevice::is_answered_question(const RecordedStep& step) const {
  for (std::size_t place = 1; place < 16; ++place) {
    const auto& sent = recording_.steps[place];
    const auto before = std::ranges::lower_bound(sent, step.order, {}, &RecordedStep::order);
    if (players_[place].next < static_cast<std::size_t>(before - sent.begin())) return false;
  }
  return true;
}

void RecordedDevice::play_in(std::size_t place) {
  const auto& steps = recording_.steps[place];
  auto& player = players_[place];
  // Nothing more to say: the host waits, as it would for a device that has nothing to say.
  if (player.next >= steps.size() || !is_answered_question(steps[player.next])) return;
  const auto& step = steps[player.next];
  const auto took = player.offset == 0 ? scaled(step.took) : Duration{};
  serve(place, took, [this, place](usb::Urb urb) {
    auto& now = players_[place];
    const auto& said = recording_.steps[place][now.next];
    const auto left = Bytes(said.data).subspan(now.offset);
    const auto count = std::min<std::size_t>(left.size(), urb->length);
    if (count > 0) {
      if (!urb->payload) urb->payload = pool_.allocate(urb->length);
      if (!urb->payload) {
        urb.complete(Status::NoMemory, 0);
        return;
      }
      std::memcpy(urb->payload.data(), left.data(), count);
    }
    auto status = said.status;
    if (count < left.size()) {
      // The host reads in smaller pieces than it did; the rest is for the next one.
      now.offset += count;
      status = Status::Ok;
    } else {
      ++now.next;
      now.offset = 0;
    }
    if (status == Status::Ok && urb->flags.short_not_ok && count < urb->length)
      status = Status::ShortTransfer;
    urb.complete(status, static_cast<std::uint32_t>(count));
  });
}

void RecordedDevice::play_out(std::size_t place) {
  const auto& steps = recording_.steps[place];
  const auto& player = players_[place];
  const auto took = player.next < steps.size() ? steps[player.next].took : Duration{};
  serve(place, scaled(took), [this, place](usb::Urb urb) {
    take_out(place, *urb);
    const auto& now = players_[place];
    const auto& all = recording_.steps[place];
    const auto length = urb->length;
    const auto status =
        now.next > 0 && now.next <= all.size() ? all[now.next - 1].status : Status::Ok;
    if (is_gone_) {
      urb.complete(Status::DeviceGone, 0);
    } else if (status != Status::Ok) {
      urb.complete(status, 0);
    } else {
      urb.complete(Status::Ok, length);
    }
    if (*self_ != nullptr) play_all();
  });
}

/// Takes what the host sent: the next step of the recording, or the one that is the same.
void RecordedDevice::take_out(std::size_t place, const usb::UrbData& urb) {
  auto& player = players_[place];
  const auto& steps = recording_.steps[place];
  const auto sent = urb.payload ? Bytes(urb.data()) : Bytes{};
  const auto is_same = [sent](const RecordedStep& step) {
    return std::ranges::equal(step.data, sent);
  };
  if (player.next < steps.size() && is_same(steps[player.next])) {
    ++player.next;
    return;
  }
  diverge("endpoint " + usb::hex_text(endpoint_at(place).value()) + " was sent " +
          std::to_string(sent.size()) + " bytes that the recording has " +
          (player.next < steps.size() ? "not at this place" : "no more"));
  if (options_.on_miss == OnMiss::Stop) {
    go_away();
    return;
  }
  // From here on, then around from the start.
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto candidate = (player.next + i) % steps.size();
    if (!is_same(steps[candidate])) continue;
    jump(place, candidate);
    ++player.next;
    return;
  }
  if (player.next < steps.size()) ++player.next;
}

/// Goes on playing at another step of an OUT endpoint: everything else goes where it was then.
void RecordedDevice::jump(std::size_t place, std::size_t step) {
  const auto order = recording_.steps[place][step].order;
  for (std::size_t other = 1; other < players_.size(); ++other) {
    auto& player = players_[other];
    const auto& steps = recording_.steps[other];
    // What had come in by then had been said before.
    const auto first = other >= 16
                           ? std::ranges::upper_bound(steps, order, {}, &RecordedStep::order)
                           : std::ranges::lower_bound(steps, order, {}, &RecordedStep::order);
    player.next = static_cast<std::size_t>(first - steps.begin());
    player.offset = 0;
    // What was about to be said is no longer what comes next.
    if (player.timer) timers_.cancel(*std::exchange(player.timer, {}));
  }
  players_[place].next = step;
}

void RecordedDevice::play_isochronous(std::size_t place) {
  const auto& urb = *players_[place].urbs.front();
  const auto* info = model_.endpoint(endpoint_at(place));
  const auto frame = usb::uses_microframes(model_.speed()) ? std::chrono::microseconds(125)
                                                           : std::chrono::microseconds(1000);
  const auto interval = info != nullptr ? std::max(info->interval, 1U) : 1U;
  // A bus has its own pace, whatever the recording's is.
  const Duration took = frame * interval * static_cast<std::int64_t>(urb.iso_packets.size());
  serve(place, took, [this, place](usb::Urb done) {
    auto& player = players_[place];
    const auto& packets = recording_.packets[place];
    std::uint32_t actual = 0;
    if (done->is_in() && !done->payload && done->length > 0)
      done->payload = pool_.allocate(done->length);
    for (auto& packet : done->iso_packets) {
      packet.status = Status::Ok;
      packet.actual_length = done->is_in() ? 0 : packet.length;
      if (done->is_in() && player.next_packet < packets.size() && done->payload) {
        const auto& said = packets[player.next_packet++];
        const auto room = packet.offset < done->length ? done->length - packet.offset : 0;
        packet.actual_length = static_cast<std::uint32_t>(
            std::min<std::size_t>({said.data.size(), packet.length, room}));
        if (packet.actual_length > 0)
          std::memcpy(done->payload.data() + packet.offset, said.data.data(), packet.actual_length);
        packet.status = said.status == Status::InProgress ? Status::Ok : said.status;
      }
      if (packet.status != Status::Ok) ++done->error_count;
      actual += packet.actual_length;
    }
    done.complete(Status::Ok, actual);
  });
}

// ---- The device as a whole ----------------------------------------------------------------------

void RecordedDevice::set_halt(EndpointAddress endpoint, bool is_halted) {
  const auto place = place_of(endpoint);
  if (place == 0) return;
  players_[place].is_halted = is_halted;
  play(place);
}

void RecordedDevice::give_back(std::size_t place, Status status) {
  auto& player = players_[place];
  if (player.timer) timers_.cancel(*std::exchange(player.timer, {}));
  auto urbs = std::exchange(player.urbs, {});
  for (auto& urb : urbs) urb.complete(status, 0);
}

/// Gives back what waits on endpoints that are not there any more.
void RecordedDevice::settings_changed() {
  for (std::size_t place = 1; place < players_.size(); ++place) {
    players_[place].is_halted = false;
    if (model_.endpoint(endpoint_at(place)) == nullptr) give_back(place, Status::Shutdown);
  }
}

void RecordedDevice::diverge(const std::string& what) {
  ++divergences_;
  if (options_.diverged) options_.diverged(what);
}

void RecordedDevice::go_away() {
  is_gone_ = true;
  timers_.call_at(timers_.now(), [self = self_] {
    if (*self == nullptr) return;
    for (std::size_t place = 0; place < (*self)->players_.size(); ++place)
      (*self)->give_back(place, Status::DeviceGone);
    if (const auto call = std::exchange((*self)->gone_handler_, {})) call();
  });
}

}  // namespace periprox::recorded
