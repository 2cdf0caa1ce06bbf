// The input side of an HID interface: reports that wait for the host, in order, and the class
// requests of HID 1.11, 7.2.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/emulated/command_feed.hpp"
#include "periprox/emulated/declaration.hpp"
#include "periprox/emulated/settings.hpp"
#include "periprox/emulated/surroundings.hpp"

namespace periprox::emulated {

/// bRequest (HID 1.11, 7.2).
enum class HidRequest : std::uint8_t {
  GetReport = 0x01,
  GetIdle = 0x02,
  GetProtocol = 0x03,
  SetReport = 0x09,
  SetIdle = 0x0a,
  SetProtocol = 0x0b,
};

/// Reports in their order, one for each time that the host asks. Held by shared_ptr.
class HidInput : public std::enable_shared_from_this<HidInput> {
 public:
  /// `neutral` is the report of a device that nobody touches.
  HidInput(Timers& timers, std::vector<std::byte> neutral);
  ~HidInput();
  HidInput(const HidInput&) = delete;
  HidInput& operator=(const HidInput&) = delete;

  /// Appends a report.
  void push(std::vector<std::byte> report);
  /// Reports that the host has not asked for yet.
  [[nodiscard]] std::size_t waiting() const { return reports_.size(); }
  [[nodiscard]] bool has_room() const { return reports_.size() < kFewReports; }
  /// Called when the host asks and few reports are waiting: time to push more.
  void on_wanted(std::function<void()> callback) { wanted_ = std::move(callback); }
  /// Called with the output report that the host sets, e.g. the LEDs.
  void on_output(std::function<void(Bytes)> callback) { output_ = std::move(callback); }

  /// The handler of the interrupt IN endpoint.
  void give(InTransfer transfer);
  /// What a reset does: nothing waits, no idle rate, report protocol.
  void reset();

  [[nodiscard]] std::vector<Request> requests();

  /// As many reports are kept ready for the host.
  static constexpr std::size_t kFewReports = 32;

 private:
  void send_next();
  void send(std::vector<std::byte> report);
  void forget_timer();
  void get_report(ControlTransfer transfer);
  void set_report(ControlTransfer transfer);
  void set_idle(ControlTransfer transfer);

  Timers& timers_;
  const std::vector<std::byte> neutral_;
  std::vector<std::byte> last_;
  std::deque<std::vector<std::byte>> reports_;
  InTransfer asked_;
  std::function<void()> wanted_;
  std::function<void(Bytes)> output_;
  std::uint8_t idle_ = 0;      // In units of 4 ms; 0: only what changed is reported.
  std::uint8_t protocol_ = 1;  // 0 boot, 1 report.
  TimePoint last_sent_{};
  TimerId idle_timer_{};
};

/// An HID interface with one interrupt IN endpoint. `boot_protocol` is 1 for keyboards, 2 for mice,
/// 0 for what a BIOS does not understand (HID 1.11, 4.2 and 4.3).
[[nodiscard]] Interface hid_interface(const std::shared_ptr<HidInput>& input,
                                      std::uint8_t endpoint_number, std::uint8_t boot_protocol,
                                      std::vector<std::byte> report_descriptor, Duration interval);

/// Opens the stream `where` and has its commands done whenever `input`'s host wants more. The feed
/// belongs to `input`; `run` refers to what owns that.
[[nodiscard]] Result<void> open_commands(const Surroundings& surroundings, std::string_view where,
                                         HidInput& input,
                                         std::function<Result<void>(const Command&)> run);

/// The setting "interval_us" of HID functions.
[[nodiscard]] Duration interval_setting(SettingsReader& settings);

}  // namespace periprox::emulated
