#include "periprox/stage/capture_stage.hpp"

#include <algorithm>
#include <string>

#include "periprox/stage/known_exchanges.hpp"

namespace periprox::stage {
namespace {

/// Notes that wait for their URB; more than any host has under way and cancels at once.
constexpr std::size_t kMostNotes = 4096;

std::uint64_t bits_per_second(usb::Speed speed) {
  switch (speed) {
    case usb::Speed::Low:
      return 1'500'000;
    case usb::Speed::Full:
      return 12'000'000;
    case usb::Speed::High:
    case usb::Speed::Wireless:
      return 480'000'000;
    case usb::Speed::Super:
      return 5'000'000'000;
    case usb::Speed::SuperPlus:
      return 10'000'000'000;
  }
  return 0;
}

/// One thread counts, others read; so it needs no locked addition, which costs as much as a record.
void count(std::atomic<std::uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

CaptureStage::CaptureStage(std::shared_ptr<usb::Device> device, CaptureOptions options,
                           CalendarClock clock)
    : device_(std::move(device)), options_(std::move(options)), clock_(clock) {}

CaptureStage::~CaptureStage() {
  // What is pending comes back through this stage.
  device_.reset();
}

void CaptureStage::add(CaptureBuffer& buffer, std::uint32_t snap_length,
                       std::function<void()> ended) {
  auto& source = buffer.add_interface({.name = options_.name,
                                       .description = options_.description,
                                       .bits_per_second = bits_per_second(model().speed())});
  Target target{
      .buffer = &buffer, .source = &source, .snap_length = snap_length, .ended = std::move(ended)};
  record_what_is_known(target);
  target.after_id = last_id_;
  targets_.push_back(std::move(target));
}

void CaptureStage::remove(const CaptureBuffer& buffer) {
  std::erase_if(targets_, [&](const Target& target) { return target.buffer == &buffer; });
}

void CaptureStage::on_gone(std::function<void()> handler) {
  device_->on_gone([this, handler = std::move(handler)] {
    if (handler) handler();
    for (const auto& target : targets_) {
      if (target.ended) target.ended();
    }
  });
}

void CaptureStage::note(usb::UrbHandle urb, std::string text) {
  if (!targets_.empty() && urb_notes_.size() < kMostNotes)
    urb_notes_.emplace_back(urb, std::move(text));
}

void CaptureStage::note(std::string text) {
  for (auto& target : targets_) {
    if (target.comments.size() < kMostNotes) target.comments.push_back(text);
  }
}

void CaptureStage::submit(usb::Urb urb) {
  if (!targets_.empty()) {
    const auto id = ++last_id_;
    record(*urb, Event::Submit, id);
    urb.push_sink(*this, id);
  }
  device_->submit(std::move(urb));
}

void CaptureStage::cancel(usb::UrbHandle urb) {
  note(urb, "PeriProx: the host asked to cancel this URB");
  device_->cancel(urb);
}

void CaptureStage::on_completed(usb::Urb urb, std::uint64_t id) {
  if (!urb_notes_.empty()) take_notes(urb.handle());
  record(*urb, Event::Complete, id);
  urb.complete();
}

void CaptureStage::take_notes(usb::UrbHandle urb) {
  const auto is_other = [urb](const auto& note) { return note.first != urb; };
  const auto mine = std::stable_partition(urb_notes_.begin(), urb_notes_.end(), is_other);
  for (auto each = mine; each != urb_notes_.end(); ++each) note(std::move(each->second));
  urb_notes_.erase(mine, urb_notes_.end());
}

void CaptureStage::record(const usb::UrbData& urb, Event event, std::uint64_t id) {
  if (targets_.empty()) return;
  const wire::usbmon::Stamp stamp{
      .id = id, .time = clock_.now(), .bus = options_.bus, .device = options_.device};
  for (auto& target : targets_) {
    if (id > target.after_id) record(target, urb, event, stamp);
  }
}

void CaptureStage::record(Target& target, const usb::UrbData& urb, Event event,
                          const wire::usbmon::Stamp& stamp) const {
  count(target.source->received);
  const RecordBlock block(urb, event, stamp,
                          {.interface_id = target.source->interface_id,
                           .snap_length = target.snap_length,
                           .dropped = target.dropped,
                           .comments = target.comments});
  const auto room = target.buffer->reserve(block.size());
  if (room.empty()) {
    ++target.dropped;
    count(target.source->dropped);
    return;
  }
  block.write(room);
  target.buffer->commit();
  target.dropped = 0;
  if (!target.comments.empty()) target.comments.clear();
}

void CaptureStage::record_what_is_known(const Target& target) {
  const std::vector<std::string> comments{std::string(kSynthesised)};
  std::vector<std::byte> blocks;
  for (const auto& exchange : known_exchanges(device_->model())) {
    const auto id = ++last_id_;
    for (const auto event : {Event::Submit, Event::Complete}) {
      const RecordBlock block(
          *exchange, event,
          {.id = id, .time = clock_.now(), .bus = options_.bus, .device = options_.device},
          {.interface_id = target.source->interface_id, .comments = comments});
      const auto place = blocks.size();
      blocks.resize(place + block.size());
      block.write(MutableBytes(blocks).subspan(place));
    }
  }
  target.buffer->add_head(blocks);
}

}  // namespace periprox::stage
