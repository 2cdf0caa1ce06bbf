// A device that is not there: it says what a capture says it said.
//
// Requests are matched by meaning, endpoints play in order. An IN endpoint says its next word only
// after the host has sent what it had sent before that word in the recording, so that answers never
// come before their questions, however fast it plays. The same host gets the same bytes in the same
// order, each time.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "periprox/base/clock.hpp"
#include "periprox/recorded/recording.hpp"
#include "periprox/recorded/request_book.hpp"
#include "periprox/usb/device.hpp"

namespace periprox::recorded {

/// What happens when the host asks what it never asked in the recording.
enum class OnMiss : std::uint8_t {
  Nearest,  ///< The answer to the question most alike; STALL when there is none.
  Stall,    ///< STALL.
  Stop,     ///< The device goes away.
};

struct PlayOptions {
  /// How much faster than recorded; 0 = without any waiting.
  double speed_up = 1;
  OnMiss on_miss = OnMiss::Nearest;
  /// Told where the host leaves the recording, in one line.
  std::function<void(const std::string&)> diverged;
};

/// Single-threaded, on the loop of its timers, which outlive it.
class RecordedDevice final : public usb::Device {
 public:
  RecordedDevice(Recording recording, PlayOptions options, Timers& timers);
  ~RecordedDevice() override;
  RecordedDevice(const RecordedDevice&) = delete;
  RecordedDevice& operator=(const RecordedDevice&) = delete;

  // usb::Device
  [[nodiscard]] const usb::DeviceModel& model() const override { return model_; }
  void submit(usb::Urb urb) override;
  void cancel(usb::UrbHandle urb) override;
  [[nodiscard]] Payload allocate(std::uint32_t size) override { return pool_.allocate(size); }
  void on_gone(std::function<void()> handler) override;

  /// Transfers in which the host left the recording.
  [[nodiscard]] std::uint64_t divergences() const { return divergences_; }

 private:
  /// One endpoint; the control endpoint is the first.
  struct Player {
    std::deque<usb::Urb> urbs;
    std::optional<TimerId> timer;  ///< While the first URB is being served.
    std::size_t next = 0;          ///< The step to be played.
    std::size_t offset = 0;        ///< Bytes of it that were given already.
    std::size_t next_packet = 0;
    bool is_halted = false;
  };

  [[nodiscard]] static std::size_t place_of(usb::EndpointAddress endpoint);
  /// Lets the first URB of an endpoint be served, if it is its turn.
  void play(std::size_t place);
  void play_all();
  void serve(std::size_t place, Duration took, std::function<void(usb::Urb)> end);
  [[nodiscard]] Duration scaled(Duration took) const;

  void play_control(std::size_t place);
  void end_control(usb::Urb urb, const BookAnswer& answer);
  [[nodiscard]] std::optional<BookAnswer> standard_answer(const usb::SetupPacket& setup);
  [[nodiscard]] BookAnswer miss(const usb::UrbData& urb);
  void play_in(std::size_t place);
  void play_out(std::size_t place);
  void play_isochronous(std::size_t place);
  [[nodiscard]] bool is_answered_question(const RecordedStep& step) const;
  void take_out(std::size_t place, const usb::UrbData& urb);
  void jump(std::size_t place, std::size_t step);
  void set_halt(usb::EndpointAddress endpoint, bool is_halted);
  void give_back(std::size_t place, usb::Status status);
  void settings_changed();
  void diverge(const std::string& what);
  void go_away();

  Recording recording_;
  PlayOptions options_;
  Timers& timers_;
  usb::DeviceModel model_;
  RequestBook book_;
  PayloadPool pool_;
  std::array<Player, usb::kEndpointTableSize> players_;
  std::uint64_t divergences_ = 0;
  bool is_gone_ = false;
  std::function<void()> gone_handler_;
  std::shared_ptr<RecordedDevice*> self_ = std::make_shared<RecordedDevice*>(this);
};

}  // namespace periprox::recorded
