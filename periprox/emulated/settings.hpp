// Settings of emulated devices: the "key=value&key=value" of a device locator, read strictly.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "periprox/base/result.hpp"

namespace periprox::emulated {

/// Values as they were written, by key.
using Settings = std::map<std::string, std::string, std::less<>>;

/// One setting that a device type understands.
struct SettingInfo {
  std::string_view name;
  std::string_view fallback;  ///< What holds when it is not given; empty = nothing.
  std::string_view help;      ///< One line.
};

/// Reads "celsius=21.5&serial=A%20B"; %XX stands for a byte. Fails with Usage for a pair without
/// '=', a key that is given twice, or a broken %XX.
[[nodiscard]] Result<Settings> parse_settings(std::string_view text);

/// A decimal number in millionths: "21.5" is 21500000. Empty for anything else, for more than six
/// decimals, and beyond +-1000000000.
[[nodiscard]] std::optional<std::int64_t> parse_millionths(std::string_view text);

/// Reads the settings of one device. Remembers the first thing that is wrong, so that a device
/// reads everything it wants and then asks once.
class SettingsReader {
 public:
  /// All arguments outlive this. A key that is not among `known` is an error.
  SettingsReader(std::string_view device, const Settings& settings,
                 std::span<const SettingInfo> known);
  SettingsReader(std::string_view, Settings&&, std::span<const SettingInfo>) = delete;

  [[nodiscard]] bool is_given(std::string_view name) const;
  /// The value, or the fallback.
  [[nodiscard]] std::string_view text(std::string_view name) const;
  /// A whole number from `least` to `most`.
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t least, std::int64_t most);
  /// One of `choices`; an index into them.
  [[nodiscard]] std::size_t choice(std::string_view name,
                                   std::initializer_list<std::string_view> choices);

  /// Notes that the value of `name` is wrong; `expected` says what it has to be.
  void reject(std::string_view name, std::string expected);
  /// Notes that these settings exclude each other, if more than one is given.
  void exclusive(std::initializer_list<std::string_view> names);
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  std::string_view device_;
  const Settings& settings_;
  std::span<const SettingInfo> known_;
  std::optional<Error> error_;
};

}  // namespace periprox::emulated
