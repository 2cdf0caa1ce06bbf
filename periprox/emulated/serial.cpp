#include "periprox/emulated/serial.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "periprox/emulated/cdc.hpp"

namespace periprox::emulated {
namespace {

constexpr std::uint16_t kDtr = 0x01;
constexpr std::uint16_t kRts = 0x02;
/// Bits that are events and not lines: told once, then gone.
constexpr std::uint16_t kEvents = SerialPort::kBreak | SerialPort::kFramingError |
                                  SerialPort::kParityError | SerialPort::kOverrun;
/// As much is read from the stream for one transfer, however much the host asks for.
constexpr std::uint32_t kReadAtOnce = 16384;

/// Line coding and control lines, and breaks (table 4 of PSTN 1.2).
constexpr int kCapabilities = 0x02 | 0x04;

bool is_sound(const LineCoding& coding) {
  const bool bits = (coding.bDataBits >= 5 && coding.bDataBits <= 8) || coding.bDataBits == 16;
  return coding.dwDTERate != 0 && coding.bCharFormat <= 2 && coding.bParityType <= 4 && bits;
}

}  // namespace

std::string line_coding_text(const LineCoding& coding) {
  constexpr std::string_view kParities = "NOEMS";
  constexpr std::string_view kStopBits[] = {"1", "1.5", "2"};
  return std::to_string(coding.dwDTERate) + " " + std::to_string(coding.bDataBits) +
         kParities.at(coding.bParityType) + std::string(kStopBits[coding.bCharFormat]);
}

SerialPort::SerialPort(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {
  // The stream belongs to this, and calls nobody once it is gone.
  stream_->on_connection([this] { follow_connection(); });
  follow_connection();
}

void SerialPort::follow_connection() {
  constexpr std::uint16_t kLines = kCarrier | kReady;
  report(static_cast<std::uint16_t>((state_ & ~kLines) | (stream_->is_connected() ? kLines : 0)));
}

// --- Data ----------------------------------------------------------------------------------------

void SerialPort::take(OutTransfer transfer) {
  to_stream_ = std::move(transfer);
  written_ = 0;
  send_on();
}

/// Writes as far as the stream has room; the host waits for the rest.
void SerialPort::send_on() {
  if (!to_stream_.pending()) return;
  const auto left = to_stream_.data().subspan(written_);
  written_ += stream_->write(left);
  if (written_ < to_stream_.data().size()) return stream_->when_writable([this] { send_on(); });
  // Taken out first: the answer may bring in the host's next transfer.
  auto transfer = std::move(to_stream_);
  transfer.accept();
}

void SerialPort::give(InTransfer transfer) {
  to_host_ = std::move(transfer);
  read_on();
}

/// Reads straight into the memory of the host's transfer.
void SerialPort::read_on() {
  if (!to_host_.pending()) return;
  const auto room = to_host_.reserve(std::min(to_host_.length(), kReadAtOnce));
  const auto count = room.empty() ? 0 : stream_->read(room);
  if (count == 0) {
    if (!stream_->read_ended()) stream_->when_readable([this] { read_on(); });
    return;
  }
  auto transfer = std::move(to_host_);
  transfer.send_reserved(static_cast<std::uint32_t>(count));
}

// --- Lines ---------------------------------------------------------------------------------------

void SerialPort::report(std::uint16_t state) {
  state_ = state;
  tell_state();
}

void SerialPort::notify(InTransfer transfer) {
  notification_ = std::move(transfer);
  tell_state();
}

void SerialPort::tell_state() {
  if (state_ == told_state_ || !notification_.pending()) return;
  const cdc::SerialState notice{.wIndex = control_interface_, .data = state_};
  state_ = static_cast<std::uint16_t>(state_ & ~kEvents);
  told_state_ = state_;
  auto transfer = std::move(notification_);
  transfer.send(bytes_of(notice));
}

void SerialPort::set_line_coding(ControlTransfer transfer) {
  const auto coding = read_as<LineCoding>(transfer.data());
  if (!coding || !is_sound(*coding)) return transfer.stall();
  coding_ = *coding;
  transfer.accept();
  if (on_line_coding) on_line_coding(coding_);
}

void SerialPort::set_control_lines(ControlTransfer transfer) {
  const std::uint16_t lines = transfer.setup().wValue;
  dtr_ = (lines & kDtr) != 0;
  rts_ = (lines & kRts) != 0;
  transfer.accept();
  if (on_control_lines) on_control_lines(dtr_, rts_);
}

void SerialPort::reset() {
  coding_ = {};
  dtr_ = rts_ = false;
  told_state_ = 0;
  written_ = 0;
}

// --- Function ------------------------------------------------------------------------------------

Function serial_function(const std::shared_ptr<SerialPort>& port, Place place) {
  using cdc::Request;
  const std::uint8_t control = place.interface_number;
  const auto data = static_cast<std::uint8_t>(control + 1);
  const auto notifications = place.endpoint_number;
  const auto bulk = static_cast<std::uint8_t>(notifications + 1);
  port->control_interface_ = control;
  const auto request = [](Request number) { return static_cast<std::uint8_t>(number); };
  Interface control_interface{
      .settings = {{
          .class_code = {cdc::kCommunicationsClass, cdc::kAbstractControlModel, cdc::kAtCommands},
          .descriptors = {cdc::header(), raw_bytes({5, 0x24, 0x01, 0x00, data}),
                          raw_bytes({4, 0x24, 0x02, kCapabilities}), cdc::union_of(control, data)},
          .endpoints = {interrupt_in(
              notifications, {.max_packet_size = 16, .interval = std::chrono::milliseconds(4)},
              [port](InTransfer t) { port->notify(std::move(t)); })},
      }},
      .requests =
          {
              class_out(request(Request::SetLineCoding),
                        [port](ControlTransfer t) { port->set_line_coding(std::move(t)); }),
              class_in(request(Request::GetLineCoding),
                       [port](ControlTransfer t) { t.send(bytes_of(port->coding_)); }),
              class_out(request(Request::SetControlLineState),
                        [port](ControlTransfer t) { port->set_control_lines(std::move(t)); }),
              class_out(request(Request::SendBreak),
                        [port](ControlTransfer t) {
                          const std::uint16_t milliseconds = t.setup().wValue;
                          t.accept();
                          if (port->on_break) port->on_break(milliseconds);
                        }),
          },
  };
  Interface data_interface{
      .settings = {{.class_code = {.code = cdc::kDataClass},
                    .endpoints = {bulk_in(bulk, [port](InTransfer t) { port->give(std::move(t)); }),
                                  bulk_out(bulk,
                                           [port](OutTransfer t) { port->take(std::move(t)); })}}},
  };
  return {
      .name = "Serial port",
      .class_code = {cdc::kCommunicationsClass, cdc::kAbstractControlModel, cdc::kAtCommands},
      .interfaces = {std::move(control_interface), std::move(data_interface)},
      .on_reset = [port] { port->reset(); },
  };
}

}  // namespace periprox::emulated
