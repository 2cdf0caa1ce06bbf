#include "periprox/recorded/recording.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "periprox/recorded/trace_file.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::recorded {
namespace {

using usb::Status;
using usb::TransferType;

constexpr std::uint8_t kHubClass = 0x09;

/// Ends that a host made, not the device.
bool is_hosts_doing(Status status) {
  using enum Status;
  return status == Cancelled || status == Killed || status == Shutdown || status == DeviceGone ||
         status == InProgress || status == NotConfigured;
}

std::string name_of(const TracedAddress& address) {
  return std::to_string(address.bus) + "." + std::to_string(address.device);
}

/// A device of a capture while it is read.
struct Candidate {
  TracedDevice device;
  Recording recording;
  std::uint8_t first_configuration = 0;
};
using Candidates = std::map<TracedAddress, Candidate>;

std::optional<usb::Speed> speed_of(std::uint64_t bits_per_second) {
  switch (bits_per_second) {
    case 1'500'000:
      return usb::Speed::Low;
    case 12'000'000:
      return usb::Speed::Full;
    case 480'000'000:
      return usb::Speed::High;
    case 5'000'000'000:
      return usb::Speed::Super;
    case 10'000'000'000:
      return usb::Speed::SuperPlus;
    default:
      return std::nullopt;
  }
}

bool is_playable(const Candidate& candidate) {
  const auto* model = candidate.device.model();
  return model != nullptr && !model->configurations().empty() &&
         model->descriptor().bDeviceClass != kHubClass;
}

Result<Candidates::iterator> choose(Candidates& candidates, const std::string& path,
                                    const std::string& wanted) {
  const auto what = "cannot play " + path;
  std::vector<Candidates::iterator> fitting;
  std::string names;
  for (auto it = candidates.begin(); it != candidates.end(); ++it) {
    if (!is_playable(it->second)) continue;
    names += (names.empty() ? "" : ", ") + name_of(it->first);
    if (wanted.empty() || wanted == name_of(it->first)) fitting.push_back(it);
  }
  if (fitting.size() == 1) return fitting.front();
  if (names.empty()) {
    return fail(Error::Kind::NotFound, what, "no device of it has shown its descriptors",
                "begin the capture before the device is plugged in, or capture with PeriProx");
  }
  if (fitting.empty())
    return fail(Error::Kind::NotFound, what, "it has no device " + wanted, "it has " + names);
  // A device that went away and came back has several interfaces of one address.
  if (!wanted.empty()) return fitting.front();
  return fail(Error::Kind::Usage, what, "it has several devices: " + names,
              "choose one: recorded:" + path + "?device=" + name_of(fitting.front()->first));
}

}  // namespace

void Recording::add(const TracedTransfer& transfer) {
  const auto place = transfer.endpoint.number() == 0 ? 0 : transfer.endpoint.index();
  const auto begun = std::max(transfer.submitted, last_completed_[place]);
  last_completed_[place] = std::max(last_completed_[place], transfer.completed);
  if (transfer.is_synthesised) return;  // Those are in the model.
  if (is_hosts_doing(transfer.status) && (!transfer.is_in() || transfer.data.empty())) return;
  RecordedStep step{.setup = transfer.setup.value_or(usb::SetupPacket{}),
                    .status = is_hosts_doing(transfer.status) ? Status::Ok : transfer.status,
                    .data = transfer.data,
                    .order = transfer.is_in() ? transfer.completed : transfer.submitted};
  if (transfer.completed > begun)
    step.took = Duration(static_cast<std::int64_t>(transfer.completed - begun));
  if (transfer.type == TransferType::Control) {
    if (transfer.setup) requests.push_back(std::move(step));
  } else if (transfer.type != TransferType::Isochronous) {
    steps[place].push_back(std::move(step));
  } else if (transfer.is_in()) {
    for (const auto& packet : transfer.iso_packets) {
      RecordedPacket recorded{.status = packet.status};
      const auto end = packet.offset + std::uint64_t{packet.actual_length};
      if (end <= transfer.data.size()) {
        const auto bytes = Bytes(transfer.data).subspan(packet.offset, packet.actual_length);
        recorded.data.assign(bytes.begin(), bytes.end());
      }
      packets[place].push_back(std::move(recorded));
    }
  }
}

Result<Recording> load_recording(const std::string& path, const RecordingChoice& choice) {
  auto file = TraceFile::open(path);
  if (!file) return forward_error(file);
  TransferPairing pairing;
  Candidates candidates;
  while (true) {
    auto packet = file->next();
    if (!packet) return forward_error(packet);
    if (!*packet) break;
    const auto* transfer = pairing.add(**packet);
    if (transfer == nullptr) continue;
    auto& candidate = candidates[transfer->address];
    candidate.device.learn(*transfer);
    const bool configures = transfer->setup && transfer->setup->is_set_configuration() &&
                            transfer->status == Status::Ok;
    if (configures && candidate.first_configuration == 0)
      candidate.first_configuration = static_cast<std::uint8_t>(transfer->setup->wValue);
    candidate.recording.add(*transfer);
  }
  auto chosen = choose(candidates, path, choice.device);
  if (!chosen) return forward_error(chosen);
  auto& [address, candidate] = **chosen;
  const auto& interface = file->reader().interfaces()[address.interface_id];
  const auto speed = choice.speed ? choice.speed : speed_of(interface.bits_per_second);
  if (speed) candidate.device.set_speed(*speed);
  auto& recording = candidate.recording;
  recording.model = *candidate.device.model();
  recording.strings = candidate.device.strings();
  if (!recording.model.set_configuration(candidate.first_configuration) ||
      candidate.first_configuration == 0) {
    recording.model.set_configuration(
        recording.model.configurations().front().descriptor.bConfigurationValue);
  }
  return std::move(recording);
}

}  // namespace periprox::recorded
