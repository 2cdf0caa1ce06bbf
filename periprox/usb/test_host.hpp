// A small host for tests that talk to any usb::Device: submits URBs, keeps how they came back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "periprox/usb/device.hpp"

namespace periprox::usb::testing {

/// How one URB came back.
struct Completion {
  std::uint64_t id = 0;
  Status status = Status::InProgress;
  std::uint32_t actual_length = 0;
  std::vector<std::byte> data;  ///< Of IN transfers; isochronous packets one after the other.
  std::vector<IsoPacket> packets;
  std::int32_t start_frame = 0;
};

/// Submits URBs to a device and keeps every completion, in the order of arrival. Outlives the
/// device or forgets what is pending in its destructor.
class TestHost final : public CompletionSink {
 public:
  explicit TestHost(Device& device) : device_(&device) {}
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;
  ~TestHost() {
    for (const auto& pending : pending_) pending.handle.forget_sink(*this);
  }

  /// Submits what `urb` describes; returns the id that its completion will have.
  std::uint64_t submit(Urb urb) {
    const auto id = ++last_id_;
    urb.push_sink(*this, id);
    pending_.push_back({id, urb.handle()});
    device_->submit(std::move(urb));
    return id;
  }

  std::uint64_t in(EndpointAddress endpoint, std::uint32_t length, TransferFlags flags = {}) {
    return submit(make(endpoint, length, flags));
  }
  std::uint64_t out(EndpointAddress endpoint, Bytes data, TransferFlags flags = {}) {
    auto urb = make(endpoint, static_cast<std::uint32_t>(data.size()), flags);
    put(urb, data);
    return submit(std::move(urb));
  }
  std::uint64_t control(const SetupPacket& setup, Bytes data = {}, TransferFlags flags = {}) {
    const auto direction = setup.is_in() ? Direction::In : Direction::Out;
    auto urb = make(EndpointAddress(0, direction), setup.wLength, flags);
    urb->setup = setup;
    if (!setup.is_in()) put(urb, data);
    return submit(std::move(urb));
  }
  /// Packets of `length` bytes each, back to back; OUT packets are all `fill`.
  std::uint64_t isochronous(EndpointAddress endpoint, std::size_t packets, std::uint32_t length,
                            std::byte fill = {}) {
    const auto total = static_cast<std::uint32_t>(packets * length);
    auto urb = make(endpoint, total, {});
    for (std::size_t i = 0; i < packets; ++i) {
      urb->iso_packets.push_back(
          {.offset = static_cast<std::uint32_t>(i) * length, .length = length});
    }
    if (!endpoint.is_in()) put(urb, std::vector<std::byte>(total, fill));
    return submit(std::move(urb));
  }
  void cancel(std::uint64_t id) {
    const auto found = std::ranges::find(pending_, id, &Pending::id);
    if (found != pending_.end()) device_->cancel(found->handle);
  }

  [[nodiscard]] const std::vector<Completion>& completions() const { return completions_; }
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }
  [[nodiscard]] std::size_t times_completed(std::uint64_t id) const {
    return static_cast<std::size_t>(std::ranges::count(completions_, id, &Completion::id));
  }
  /// The completion of `id`; one with InProgress when it has not come back.
  [[nodiscard]] Completion outcome(std::uint64_t id) const {
    const auto found = std::ranges::find(completions_, id, &Completion::id);
    return found == completions_.end() ? Completion{.id = id} : *found;
  }
  [[nodiscard]] std::vector<std::uint64_t> order() const {
    std::vector<std::uint64_t> ids;
    for (const auto& completion : completions_) ids.push_back(completion.id);
    return ids;
  }
  /// Called after each completion was noted, e.g. to submit again.
  std::function<void(std::uint64_t id)> then;

 private:
  struct Pending {
    std::uint64_t id = 0;
    UrbHandle handle;
  };

  Urb make(EndpointAddress endpoint, std::uint32_t length, TransferFlags flags) {
    auto urb = Urb::create();
    urb->endpoint = endpoint;
    const auto* info = device_->model().endpoint(endpoint);
    urb->type = info != nullptr ? info->type : TransferType::Bulk;
    urb->flags = flags;
    urb->length = length;
    return urb;
  }
  void put(Urb& urb, Bytes data) {
    urb->payload = device_->allocate(static_cast<std::uint32_t>(data.size()));
    if (urb->payload) std::ranges::copy(data, urb->payload.data());
  }
  void on_completed(Urb urb, std::uint64_t id) override {
    std::erase_if(pending_, [id](const Pending& pending) { return pending.id == id; });
    Completion completion{.id = id,
                          .status = urb->status,
                          .actual_length = urb->actual_length,
                          .packets = urb->iso_packets,
                          .start_frame = urb->start_frame};
    if (urb->is_in() && urb->payload) take_data(*urb, completion);
    completions_.push_back(std::move(completion));
    if (then) then(id);
  }
  static void take_data(const UrbData& urb, Completion& completion) {
    auto append = [&](Bytes bytes) {
      completion.data.insert(completion.data.end(), bytes.begin(), bytes.end());
    };
    if (urb.type != TransferType::Isochronous) return append(urb.data());
    for (const auto& packet : urb.iso_packets) {
      append(urb.payload.first(urb.length).subspan(packet.offset, packet.actual_length));
    }
  }

  Device* device_;
  std::uint64_t last_id_ = 0;
  std::vector<Pending> pending_;
  std::vector<Completion> completions_;
};

}  // namespace periprox::usb::testing
