// A serial port: the abstract control model of CDC (PSTN Subclass 1.2, 3.2), which every system
// drives without a driver of its own. What the host sends goes into a stream, what the stream gives
// goes to the host.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "periprox/base/byte_stream.hpp"
#include "periprox/base/endian.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/emulated/function.hpp"

namespace periprox::emulated {

/// LINE CODING (PSTN 1.2, table 17).
struct LineCoding {
  le32 dwDTERate{115200};
  std::uint8_t bCharFormat = 0;  ///< Stop bits: 0 one, 1 one and a half, 2 two.
  std::uint8_t bParityType = 0;  ///< 0 none, 1 odd, 2 even, 3 mark, 4 space.
  std::uint8_t bDataBits = 8;    ///< 5 to 8, or 16.
};
static_assert(sizeof(LineCoding) == 7);

/// "115200 8N1".
[[nodiscard]] std::string line_coding_text(const LineCoding& coding);

/// A serial port and the cable in it. Held by shared_ptr; single-threaded.
class SerialPort : public std::enable_shared_from_this<SerialPort> {
 public:
  /// Bits of SERIAL_STATE (PSTN 1.2, table 31).
  enum State : std::uint16_t {
    kCarrier = 0x01,  ///< DCD
    kReady = 0x02,    ///< DSR
    kBreak = 0x04,    ///< Told once.
    kRing = 0x08,
    kFramingError = 0x10,  ///< Told once.
    kParityError = 0x20,   ///< Told once.
    kOverrun = 0x40,       ///< Told once.
  };

  /// Carrier and ready follow the connection of the stream.
  explicit SerialPort(std::unique_ptr<ByteStream> stream);
  SerialPort(const SerialPort&) = delete;
  SerialPort& operator=(const SerialPort&) = delete;

  [[nodiscard]] const LineCoding& line_coding() const { return coding_; }
  [[nodiscard]] bool dtr() const { return dtr_; }
  [[nodiscard]] bool rts() const { return rts_; }
  /// Sets the lines that the port reports, and sends the events among the bits.
  void report(std::uint16_t state);

  /// Called when the host changes how the line is driven.
  std::function<void(const LineCoding&)> on_line_coding;
  std::function<void(bool dtr, bool rts)> on_control_lines;
  /// Called with the milliseconds of a break; 0xffff starts one that lasts until 0 comes.
  std::function<void(std::uint16_t milliseconds)> on_break;

 private:
  friend Function serial_function(const std::shared_ptr<SerialPort>& port, Place place);

  void take(OutTransfer transfer);
  void give(InTransfer transfer);
  void notify(InTransfer transfer);
  void send_on();
  void read_on();
  void tell_state();
  void follow_connection();
  void set_line_coding(ControlTransfer transfer);
  void set_control_lines(ControlTransfer transfer);
  void reset();

  std::unique_ptr<ByteStream> stream_;
  LineCoding coding_;
  bool dtr_ = false;
  bool rts_ = false;
  std::uint16_t state_ = 0;       // What is to be told.
  std::uint16_t told_state_ = 0;  // What the host knows.
  std::uint8_t control_interface_ = 0;
  OutTransfer to_stream_;
  std::size_t written_ = 0;  // Of to_stream_.
  InTransfer to_host_;
  InTransfer notification_;
};

/// The port as a function: a control and a data interface, three endpoints of two numbers.
[[nodiscard]] Function serial_function(const std::shared_ptr<SerialPort>& port, Place place);

[[nodiscard]] DeviceType serial_type();

}  // namespace periprox::emulated
