#include "periprox/recorded/traced_transfer.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace periprox::recorded {
namespace {

using Event = wire::UsbRecord::Event;

/// The comment by which the capture stage marks what it knew before.
constexpr std::string_view kSynthesised = "PeriProx: known before the capture began";

void take_packets(TracedTransfer& transfer, const wire::UsbRecord& record) {
  const bool is_submission = record.event == Event::Submit;
  if (is_submission) transfer.iso_packets.clear();
  transfer.iso_packets.resize(std::max(transfer.iso_packets.size(), record.iso_packets.size()));
  for (std::size_t i = 0; i < record.iso_packets.size(); ++i) {
    const auto packet = record.iso_packets.at(i, is_submission);
    auto& place = transfer.iso_packets[i];
    place.offset = packet.offset;
    if (is_submission) {
      place.length = packet.length;
    } else {
      place.actual_length = packet.actual_length;
      place.status = packet.status;
    }
  }
}

void take_comments(TracedTransfer& transfer, const wire::CapturedPacket& packet) {
  for (const auto comment : packet.comments) {
    if (comment == kSynthesised) {
      transfer.is_synthesised = true;
    } else {
      transfer.comments.emplace_back(comment);
    }
  }
}

void take_submission(TracedTransfer& transfer, const wire::CapturedPacket& packet) {
  const auto& record = *packet.usb;
  transfer.type = record.type;
  transfer.endpoint = record.endpoint;
  transfer.setup = record.setup;
  transfer.flags = record.flags;
  if (record.setup) {
    // usbmon writes the direction of the pipe, which is OUT for a request without data.
    transfer.endpoint = usb::EndpointAddress(
        record.endpoint.number(), record.setup->is_in() ? usb::Direction::In : usb::Direction::Out);
  }
  transfer.submitted = packet.time;
  transfer.length = record.length;
  if (!transfer.is_in()) transfer.data.assign(record.data.begin(), record.data.end());
}

}  // namespace

const TracedTransfer* TransferPairing::add(const wire::CapturedPacket& packet) {
  if (!packet.usb) return nullptr;
  const auto& record = *packet.usb;
  const Key key{{packet.interface_id, record.bus, record.device}, record.id};
  if (record.event == Event::Submit) {
    if (pending_.size() >= kMostPending) {
      pending_.erase(std::ranges::min_element(
          pending_, {}, [](const auto& entry) { return entry.second.number; }));
    }
    TracedTransfer transfer{.address = key.address, .number = ++last_number_};
    take_submission(transfer, packet);
    take_packets(transfer, record);
    take_comments(transfer, packet);
    pending_.insert_or_assign(key, std::move(transfer));
    return nullptr;
  }
  const auto found = pending_.find(key);
  if (found != pending_.end()) {
    current_ = std::move(found->second);
    pending_.erase(found);
  } else {
    current_ = {.address = key.address, .number = ++last_number_};
    take_submission(current_, packet);
    current_.data.clear();
  }
  current_.completed = packet.time;
  current_.status = record.status;
  current_.actual_length = record.length;
  if (current_.is_in()) current_.data.assign(record.data.begin(), record.data.end());
  take_packets(current_, record);
  take_comments(current_, packet);
  return &current_;
}

std::vector<TracedTransfer> TransferPairing::unfinished() {
  std::vector<TracedTransfer> transfers;
  for (auto& [key, transfer] : pending_) transfers.push_back(std::move(transfer));
  pending_.clear();
  std::ranges::sort(transfers, {}, &TracedTransfer::number);
  return transfers;
}

}  // namespace periprox::recorded
