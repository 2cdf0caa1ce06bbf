#include "periprox/usb/urb.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace periprox::usb {

std::string_view transfer_type_name(TransferType type) {
  switch (type) {
    case TransferType::Control:
      return "control";
    case TransferType::Isochronous:
      return "isochronous";
    case TransferType::Bulk:
      return "bulk";
    case TransferType::Interrupt:
      return "interrupt";
  }
  return "unknown";
}

/// Lives until its pool and the last of its records are gone.
struct UrbPool::Shelf {
  detail::UrbRecord* free = nullptr;
  std::size_t records_out = 0;
  bool orphaned = false;

  ~Shelf() {
    while (free != nullptr) delete std::exchange(free, free->next_free);
  }
  void put_back(detail::UrbRecord* record) {
    record->clear();
    record->device_note = 0;
    record->next_free = std::exchange(free, record);
    if (--records_out == 0 && orphaned) delete this;
  }
};

UrbPool::UrbPool() : shelf_(new Shelf) {}

UrbPool::~UrbPool() {
  shelf_->orphaned = true;
  if (shelf_->records_out == 0) delete shelf_;
}

Urb UrbPool::take() {
  detail::UrbRecord* record = shelf_->free;
  if (record != nullptr) {
    shelf_->free = record->next_free;
  } else {
    record = new detail::UrbRecord;
    record->pool_shelf = shelf_;
  }
  ++shelf_->records_out;
  return Urb(record);
}

Urb Urb::create() { return Urb(new detail::UrbRecord); }

void Urb::push_sink(CompletionSink& sink, std::uint64_t cookie) {
  // More stages than a chain can have is our own mistake.
  if (record_->sink_count == detail::kMaxSinks) std::abort();
  record_->sinks[record_->sink_count++] = {&sink, cookie};
}

void Urb::complete(Status status, std::uint32_t actual_length) {
  record_->status = status;
  record_->actual_length = actual_length;
  complete();
}

void Urb::complete() {
  while (record_->sink_count > 0) {
    const auto frame = record_->sinks[--record_->sink_count];
    if (frame.sink != nullptr) {
      frame.sink->on_completed(Urb(std::exchange(record_, nullptr)), frame.cookie);
      return;
    }
  }
  drop();
}

void UrbData::clear() {
  endpoint = {};
  type = {};
  flags = {};
  setup = {};
  length = actual_length = 0;
  if (payload) payload.reset();
  iso_packets.clear();
  interval = 0;
  start_frame = 0;
  error_count = 0;
  stream_id = 0;
  status = Status::Ok;
}

void Urb::drop() noexcept {
  if (record_->sink_count > 0) {
    complete(Status::Cancelled, 0);
    return;
  }
  auto* record = std::exchange(record_, nullptr);
  if (record->pool_shelf != nullptr) {
    static_cast<UrbPool::Shelf*>(record->pool_shelf)->put_back(record);
  } else {
    delete record;
  }
}

void UrbHandle::forget_sink(const CompletionSink& sink) const {
  auto& sinks = record_->sinks;
  for (auto& frame : std::span(sinks).first(record_->sink_count)) {
    if (frame.sink == &sink) frame.sink = nullptr;
  }
}

}  // namespace periprox::usb
