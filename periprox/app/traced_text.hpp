// What a transfer of a capture means, in words.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "periprox/recorded/traced_device.hpp"
#include "periprox/recorded/traced_transfer.hpp"
#include "periprox/usb/hid_report.hpp"

namespace periprox::app {

/// One device of a capture, and what was learned from it so far.
class TracedSubject final {
 public:
  /// To be called for every transfer, in their order. True when it brought new descriptors.
  bool learn(const recorded::TracedTransfer& transfer);
  [[nodiscard]] const recorded::TracedDevice& device() const { return device_; }

  /// "HID input report: Left Shift, a", "GET_DESCRIPTOR string 2: \"Go! Temp\"". One printable
  /// line.
  [[nodiscard]] std::string text(const recorded::TracedTransfer& transfer) const;
  /// A descriptor that a transfer brought, decoded, several lines; empty when it brought none that
  /// is worth lines of its own.
  [[nodiscard]] std::string descriptor_text(const recorded::TracedTransfer& transfer) const;

 private:
  [[nodiscard]] std::string control_text(const recorded::TracedTransfer& transfer) const;
  [[nodiscard]] std::string class_text(const recorded::TracedTransfer& transfer) const;
  [[nodiscard]] std::string report_text(std::uint8_t interface_number, usb::HidField::Kind kind,
                                        Bytes data) const;

  recorded::TracedDevice device_;
  std::map<std::uint8_t, std::vector<usb::HidField>> reports_;  // By interface.
};

/// "01 02 03 ..." with at most `most` bytes.
[[nodiscard]] std::string short_hex(Bytes data, std::size_t most = 16);

}  // namespace periprox::app
