// Reports of HID devices by what they mean: "Left Shift, a", "X -3, Y 5, Button 1".
//
// A report descriptor is a small program (HID 1.11, 6.2.2); running it gives the fields of each
// report. Whatever its bytes are, the fields are bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "periprox/base/bytes.hpp"

namespace periprox::usb {

/// One main item: `count` values of `bits` bits each.
struct HidField {
  enum class Kind : std::uint8_t { Input, Output, Feature };
  Kind kind = Kind::Input;
  std::uint8_t report_id = 0;  ///< 0 when the device has no report ids.
  std::uint32_t offset = 0;    ///< Bits from the start of the report, its id included.
  std::uint32_t bits = 0;      ///< 1 to 32.
  std::uint32_t count = 0;
  std::int32_t logical_minimum = 0;
  bool is_constant = false;
  bool is_variable = false;           ///< Else an array: each value is the number of a usage.
  std::vector<std::uint32_t> usages;  ///< Page in the upper half, usage in the lower.
  std::uint32_t usage_minimum = 0;    ///< A range, when `usages` is empty.
  std::uint32_t usage_maximum = 0;
};

/// The fields of all reports, in the order of the descriptor.
[[nodiscard]] std::vector<HidField> parse_report_descriptor(Bytes descriptor);

/// The values of a report that say something: what is pressed, what is not zero. "nothing" when
/// nothing is; empty when the report is not one of those that `fields` describe.
[[nodiscard]] std::string hid_report_text(const std::vector<HidField>& fields, HidField::Kind kind,
                                          Bytes report);

/// "Left Shift", "X", "Button 2"; numbers for a usage that has no name here.
[[nodiscard]] std::string hid_usage_text(std::uint32_t usage);

inline constexpr std::size_t kMaxHidFields = 512;
inline constexpr std::uint32_t kMaxHidReportBits = 8 * 4096;

}  // namespace periprox::usb
