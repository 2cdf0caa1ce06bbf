// Sees every URB that passes on its way to a device and back, and writes it down.
//
// An URB is recorded when it is submitted and when it has come back: two blocks in each capture's
// buffer, no memory of its own, no allocation. Captures come and go while URBs pass; while there
// is none, an URB passes untouched. Time is that of the loop's clock, shifted to the calendar.
// Each capture can be decoded by itself: it begins with the descriptors as if the host had just
// read them (marked by kSynthesised), whatever was read before.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/stage/capture_buffer.hpp"
#include "periprox/stage/record_block.hpp"
#include "periprox/usb/device.hpp"

namespace periprox::stage {

/// Calendar time for captures: the clock of a loop and what has to be added to it.
struct CalendarClock {
  const Timers* timers = nullptr;
  std::chrono::nanoseconds ahead{};  ///< From the clock's zero to 1970.

  [[nodiscard]] std::uint64_t now() const {
    return static_cast<std::uint64_t>((timers->now().time_since_epoch() + ahead).count());
  }
};

struct CaptureOptions {
  std::string name;         ///< Of the interface, in Wireshark's list.
  std::string description;  ///< What people call the device.
  std::uint16_t bus = 0;
  std::uint8_t device = 1;
};

/// The comment of records that stand for what was known before the capture began.
inline constexpr std::string_view kSynthesised = "PeriProx: known before the capture began";

/// A device in front of a device. Owns it alone: nobody else may keep it longer.
class CaptureStage final : public usb::Device, private usb::CompletionSink {
 public:
  CaptureStage(std::shared_ptr<usb::Device> device, CaptureOptions options, CalendarClock clock);
  ~CaptureStage() override;
  CaptureStage(const CaptureStage&) = delete;
  CaptureStage& operator=(const CaptureStage&) = delete;

  /// Captures what is submitted from now on into `buffer`, which stays until remove() or until the
  /// stage is gone; `snap_length` bytes of each URB's data. `ended` is called when the device is
  /// gone, on its thread.
  void add(CaptureBuffer& buffer, std::uint32_t snap_length = RecordBlock::kMostData,
           std::function<void()> ended = {});
  /// Forgets the buffer; harmless when it is not known.
  void remove(const CaptureBuffer& buffer);

  /// Writes `text` beside the completion of an URB that is under way.
  void note(usb::UrbHandle urb, std::string text);
  /// Writes `text` beside the next record, whichever that is.
  void note(std::string text);

  // usb::Device
  [[nodiscard]] const usb::DeviceModel& model() const override { return device_->model(); }
  void submit(usb::Urb urb) override;
  void cancel(usb::UrbHandle urb) override;
  [[nodiscard]] Payload allocate(std::uint32_t size) override { return device_->allocate(size); }
  void on_gone(std::function<void()> handler) override;

 private:
  using Event = wire::UsbRecord::Event;

  /// One capture of this device.
  struct Target {
    CaptureBuffer* buffer = nullptr;
    CaptureSource* source = nullptr;
    std::uint32_t snap_length = 0;
    std::function<void()> ended;
    std::uint64_t after_id = 0;  // URBs up to that one were submitted before.
    std::uint64_t dropped = 0;   // Since the last record that found room.
    std::vector<std::string> comments;
  };

  void on_completed(usb::Urb urb, std::uint64_t id) override;
  void record(const usb::UrbData& urb, Event event, std::uint64_t id);
  void record(Target& target, const usb::UrbData& urb, Event event,
              const wire::usbmon::Stamp& stamp) const;
  void take_notes(usb::UrbHandle urb);
  void record_what_is_known(const Target& target);

  std::shared_ptr<usb::Device> device_;
  const CaptureOptions options_;
  const CalendarClock clock_;
  std::vector<Target> targets_;
  std::uint64_t last_id_ = 0;
  std::vector<std::pair<usb::UrbHandle, std::string>> urb_notes_;
};

}  // namespace periprox::stage
