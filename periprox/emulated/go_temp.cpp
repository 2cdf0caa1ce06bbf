#include "periprox/emulated/go_temp.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <memory>
#include <utility>

#include "periprox/emulated/emulated_device.hpp"
#include "periprox/emulated/go_temp_commands.hpp"

namespace periprox::emulated {
namespace {

// Class requests of HID 1.11, 7.2.
constexpr std::uint8_t kGetReport = 0x01;
constexpr std::uint8_t kSetReport = 0x09;
constexpr std::uint8_t kSetIdle = 0x0a;

constexpr std::array kSettings{
    SettingInfo{"speed", "low", "low; the real device knows no other"},
    SettingInfo{"serial", "", "serial number; the real device has none"},
    SettingInfo{"celsius", "21.5", "a constant temperature"},
    SettingInfo{"ramp", "", "FROM:TO:STEP, a step each packet; the last value stays"},
    SettingInfo{"sine", "", "MEAN:AMPLITUDE:PERIOD, the period in seconds"},
    SettingInfo{"file", "",
                "a file with a temperature on each line, - for standard input; the last stays"},
    SettingInfo{"period_ms", "500", "time between packets"},
};

/// A vendor-defined collection of 8 bytes in and 8 bytes out, as long as the real one's. ldusb does
/// not read it.
std::vector<std::byte> report_descriptor() {
  return raw_bytes({
      0x06, 0x00, 0xff,                    // Usage Page (vendor)
      0x09, 0x01,                          // Usage (1)
      0xa1, 0x01,                          // Collection (application)
      0x09, 0x02,                          //   Usage (2)
      0x15, 0x00, 0x26, 0xff, 0x00,        //   Logical Minimum (0), Maximum (255)
      0x35, 0x00, 0x46, 0xff, 0x00,        //   Physical Minimum (0), Maximum (255)
      0x65, 0x00, 0x55, 0x00,              //   Unit (none), Unit Exponent (0)
      0x75, 0x08, 0x95, 0x08, 0x81, 0x02,  //   8 bytes of Input
      0x09, 0x03,                          //   Usage (3)
      0x15, 0x00, 0x26, 0xff, 0x00,        //   Logical Minimum (0), Maximum (255)
      0x35, 0x00, 0x46, 0xff, 0x00,        //   Physical Minimum (0), Maximum (255)
      0x65, 0x00,                          //   Unit (none)
      0x75, 0x08, 0x95, 0x08, 0x91, 0x02,  //   8 bytes of Output
      0xc0,                                // End Collection
  });
}

/// Sends responses and measurements, in that order, whenever the host asks.
class Thermometer : public std::enable_shared_from_this<Thermometer> {
 public:
  Thermometer(GoTempOptions options, Timers& timers)
      : temperature_(std::move(options.temperature)), timers_(timers), due_(timers.now()) {
    state_.period = options.period;
    state_.default_period = options.period;
    const auto& serial = options.serial_number;
    std::from_chars(serial.data(), serial.data() + serial.size(), state_.serial_counter);
    state_.memory = go_temp_memory(state_.serial_counter);
  }
  ~Thermometer() { forget_timer(); }
  Thermometer(const Thermometer&) = delete;
  Thermometer& operator=(const Thermometer&) = delete;

  void give(InTransfer transfer) {
    asked_ = std::move(transfer);
    give_what_is_there();
  }

  /// SET_REPORT. A command that comes before the response to the last one was read is ignored, but
  /// for INIT, which aborts everything (GSkipComm.h).
  void take_command(ControlTransfer transfer) {
    const auto command = transfer.data();
    if (command.empty()) return transfer.stall();
    const bool is_init = static_cast<std::uint8_t>(command[0]) == kGoTempInit;
    if (is_init) responses_.clear();
    if (responses_.empty()) {
      const bool measured = state_.measuring;
      for (const auto& packet : run_go_temp_command(command, state_)) responses_.push_back(packet);
      // The first measurement comes a period after the start.
      if (state_.measuring && !measured) due_ = timers_.now() + state_.period;
    }
    transfer.accept();
    give_what_is_there();
  }

  /// GET_REPORT: what went out last.
  void tell_last(ControlTransfer transfer) const { transfer.send(bytes_of(last_)); }

  /// After a port reset the device starts anew; its memory and its temperature do not.
  void restart() {
    const auto memory = state_.memory;
    state_ = GoTempState{.period = state_.default_period,
                         .default_period = state_.default_period,
                         .serial_counter = state_.serial_counter,
                         .memory = memory};
    responses_.clear();
    counter_ = 0;
    due_ = timers_.now();
  }

 private:
  void give_what_is_there() {
    const auto self = shared_from_this();
    forget_timer();
    if (!asked_.pending()) return;
    if (!responses_.empty()) {
      const auto packet = responses_.front();
      responses_.pop_front();
      return send(packet);
    }
    if (!state_.measuring) return;
    if (timers_.now() >= due_) {
      const auto celsius = temperature_(timers_.now());
      schedule_next();
      if (celsius) return send(measurement(*celsius));
    }
    timer_ = timers_.call_at(due_, [weak = weak_from_this()] {
      if (const auto thermometer = weak.lock()) thermometer->give_what_is_there();
    });
  }

  /// The next measurement on the grid of periods. Those that nobody asked for are left out.
  void schedule_next() {
    const auto late = timers_.now() - due_;
    due_ += state_.period * (late / state_.period + 1);
  }

  GoTempPacket measurement(MicroCelsius celsius) {
    const auto raw = static_cast<std::uint16_t>(to_128ths(celsius));
    return {1, counter_++, static_cast<std::uint8_t>(raw & 0xff),
            static_cast<std::uint8_t>(raw >> 8)};
  }

  void send(const GoTempPacket& packet) {
    last_ = packet;
    // Taken out first: sending may bring in the host's next transfer.
    auto transfer = std::move(asked_);
    transfer.send(bytes_of(last_));
  }

  void forget_timer() { timers_.cancel(std::exchange(timer_, {})); }

  GoTempState state_;
  TemperatureSource temperature_;
  Timers& timers_;
  TimePoint due_;
  TimerId timer_{};
  InTransfer asked_;
  std::deque<GoTempPacket> responses_;
  GoTempPacket last_{};
  std::uint8_t counter_ = 0;
};

Result<std::unique_ptr<usb::Device>> create_go_temp(SettingsReader& settings, usb::Speed speed,
                                                    const Surroundings& surroundings) {
  constexpr std::int64_t kLongestPeriodMs = 2'147'483;  // What the device's 24 bits of ticks hold.
  GoTempOptions options;
  options.serial_number = settings.text("serial");
  options.period = std::chrono::milliseconds(settings.integer("period_ms", 1, kLongestPeriodMs));
  auto temperature = temperature_from(settings);
  if (settings.error()) return tl::make_unexpected(*settings.error());
  if (!temperature) return forward_error(temperature);
  options.temperature = std::move(*temperature);
  auto& timers = surroundings.timers;
  return EmulatedDevice::create(go_temp_declaration(std::move(options), timers), speed, timers);
}

}  // namespace

Declaration go_temp_declaration(GoTempOptions options, Timers& timers) {
  const auto serial_number = options.serial_number;
  auto thermometer = std::make_shared<Thermometer>(std::move(options), timers);
  const auto report = report_descriptor();
  const usb::HidDescriptor hid{.bcdHID = 0x0110,
                               .wDescriptorLength = static_cast<std::uint16_t>(report.size())};
  return {
      .idVendor = 0x08f7,
      .idProduct = 0x0002,
      .bcdDevice = 0x0153,
      .bcdUSB = 0x0110,
      .manufacturer = "Vernier Software & Technology",
      .product = "Go! Temp ver 1.53",
      .serial_number = serial_number,
      .speeds = {usb::Speed::Low},
      .configurations =
          {{.interfaces = {{
                .settings = {{
                    .class_code = {.code = 3},
                    .descriptors = {raw_descriptor(hid)},
                    .endpoints = {interrupt_in(
                        1, {.max_packet_size = 8, .interval = std::chrono::milliseconds(10)},
                        [thermometer](InTransfer t) { thermometer->give(std::move(t)); })},
                }},
                .served = {{static_cast<std::uint8_t>(usb::DescriptorType::HidReport), 0, report}},
                .requests =
                    {
                        class_out(kSetReport,
                                  [thermometer](ControlTransfer t) {
                                    thermometer->take_command(std::move(t));
                                  }),
                        class_in(kGetReport,
                                 [thermometer](ControlTransfer t) {
                                   thermometer->tell_last(std::move(t));
                                 }),
                        class_out(kSetIdle, [](ControlTransfer t) { t.accept(); }),
                    },
            }}}},
      .on_reset = [thermometer] { thermometer->restart(); },
  };
}

DeviceType go_temp_type() {
  return {.name = "go_temp",
          .summary = "Vernier Go!Temp thermometer (08f7:0002)",
          .settings = kSettings,
          .make = WholeType{create_go_temp}};
}

}  // namespace periprox::emulated
