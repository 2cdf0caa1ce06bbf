#include "periprox/emulated/settings.hpp"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

namespace periprox::emulated {
namespace {

constexpr std::int64_t kMillion = 1'000'000;
constexpr std::int64_t kLargestWhole = 1'000'000'000;
constexpr std::size_t kMaxDecimals = 6;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::string> decode_percent(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    unsigned char byte = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const char* end = text.data() + i + 3;
    const auto [stop, failure] = std::from_chars(text.data() + i + 1, end, byte, 16);
    if (failure != std::errc{} || stop != end) return std::nullopt;
    decoded.push_back(static_cast<char>(byte));
    i += 2;
  }
  return decoded;
}

tl::unexpected<Error> bad_pair(std::string_view pair, std::string why) {
  return fail(Error::Kind::Usage, "cannot read the setting '" + std::string(pair) + "'",
              std::move(why), "settings are written key=value&key=value");
}

/// "a", "a and b", "a, b and c".
template <typename Names>
std::string enumerate(const Names& names, std::string_view conjunction) {
  std::string text;
  std::size_t i = 0;
  for (const auto& name : names) {
    if (i > 0) text += i + 1 == names.size() ? " " + std::string(conjunction) + " " : ", ";
    text += name;
    ++i;
  }
  return text;
}

}  // namespace

Result<Settings> parse_settings(std::string_view text) {
  Settings settings;
  while (!text.empty()) {
    const auto pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return bad_pair(pair, "there is no key before a '='");
    }
    auto value = decode_percent(pair.substr(equals + 1));
    if (!value) return bad_pair(pair, "a '%' is not followed by two hexadecimal digits");
    if (!settings.emplace(pair.substr(0, equals), std::move(*value)).second) {
      return bad_pair(pair, "the key is given twice");
    }
  }
  return settings;
}

std::optional<std::int64_t> parse_millionths(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto point = std::min(text.find('.'), text.size());
  const auto whole = text.substr(0, point);
  const auto decimals = point < text.size() ? text.substr(point + 1) : std::string_view{};
  const bool has_point = point < text.size();
  if (whole.empty() || (has_point && decimals.empty()) || decimals.size() > kMaxDecimals) {
    return std::nullopt;
  }
  if (!std::ranges::all_of(whole, is_digit) || !std::ranges::all_of(decimals, is_digit)) {
    return std::nullopt;
  }
  std::int64_t value = 0;
  for (const char digit : whole) {
    value = value * 10 + (digit - '0');
    if (value > kLargestWhole) return std::nullopt;
  }
  for (std::size_t i = 0; i < kMaxDecimals; ++i) {
    value = value * 10 + (i < decimals.size() ? decimals[i] - '0' : 0);
  }
  if (value > kLargestWhole * kMillion) return std::nullopt;
  return negative ? -value : value;
}

SettingsReader::SettingsReader(std::string_view device, const Settings& settings,
                               std::span<const SettingInfo> known)
    : device_(device), settings_(settings), known_(known) {
  for (const auto& [key, value] : settings) {
    if (std::ranges::find(known, key, &SettingInfo::name) != known.end()) continue;
    std::vector<std::string_view> names;
    for (const auto& info : known) names.push_back(info.name);
    error_ =
        Error{Error::Kind::Usage, "cannot emulate " + std::string(device),
              "it has no setting '" + key + "'", "its settings are " + enumerate(names, "and")};
    return;
  }
}

bool SettingsReader::is_given(std::string_view name) const {
  return settings_.find(name) != settings_.end();
}

std::string_view SettingsReader::text(std::string_view name) const {
  if (const auto given = settings_.find(name); given != settings_.end()) return given->second;
  const auto info = std::ranges::find(known_, name, &SettingInfo::name);
  return info == known_.end() ? std::string_view{} : info->fallback;
}

std::int64_t SettingsReader::integer(std::string_view name, std::int64_t least, std::int64_t most) {
  const auto value = text(name);
  std::int64_t number = 0;
  const auto [stop, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (failure == std::errc{} && stop == value.data() + value.size() && number >= least &&
      number <= most) {
    return number;
  }
  reject(name, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return least;
}

std::size_t SettingsReader::choice(std::string_view name,
                                   std::initializer_list<std::string_view> choices) {
  const auto* found = std::find(choices.begin(), choices.end(), text(name));
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  reject(name, enumerate(choices, "or"));
  return 0;
}

void SettingsReader::reject(std::string_view name, std::string expected) {
  if (error_) return;
  error_ = Error{Error::Kind::Usage,
                 "cannot emulate " + std::string(device_),
                 std::string(name) + "=" + std::string(text(name)) + " is not " + expected,
                 {}};
}

void SettingsReader::exclusive(std::initializer_list<std::string_view> names) {
  std::vector<std::string_view> given;
  for (const auto name : names) {
    if (is_given(name)) given.push_back(name);
  }
  if (given.size() < 2 || error_) return;
  error_ = Error{Error::Kind::Usage, "cannot emulate " + std::string(device_),
                 enumerate(given, "and") + " exclude each other", "give only one of them"};
}

}  // namespace periprox::emulated
