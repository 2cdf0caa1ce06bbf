#include "periprox/stage/rule_words.hpp"

#include <charconv>
#include <cmath>
#include <initializer_list>

namespace periprox::stage {
namespace {

constexpr Duration kLongest = std::chrono::hours(24);

std::optional<double> unit_of(std::string_view text,
                              std::initializer_list<std::pair<std::string_view, double>> units) {
  for (const auto& [name, factor] : units) {
    if (text == name) return factor;
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string_view> split_words(std::string_view rule) {
  std::vector<std::string_view> words;
  for (auto comma = rule.find(','); comma != std::string_view::npos; comma = rule.find(',')) {
    words.push_back(rule.substr(0, comma));
    rule.remove_prefix(comma + 1);
  }
  words.push_back(rule);
  return words;
}

std::optional<std::uint64_t> parse_whole(std::string_view text) {
  std::uint64_t value = 0;
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || end.ec != std::errc{} || end.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<std::pair<double, std::string_view>> parse_real(std::string_view text) {
  double value = 0;
  const auto end =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (end.ec != std::errc{} || !std::isfinite(value) || value < 0) return std::nullopt;
  return std::pair(value, text.substr(static_cast<std::size_t>(end.ptr - text.data())));
}

std::optional<Duration> parse_duration(std::string_view text) {
  const auto number = parse_real(text);
  if (!number) return std::nullopt;
  const auto unit = unit_of(number->second, {{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}});
  if (!unit || number->first * *unit > static_cast<double>(kLongest.count())) return std::nullopt;
  return Duration(static_cast<std::int64_t>(number->first * *unit));
}

std::optional<std::uint64_t> parse_rate(std::string_view text) {
  const auto number = parse_real(text);
  if (!number) return std::nullopt;
  const auto unit = unit_of(number->second, {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}});
  if (!unit || number->first * *unit < 1 || number->first * *unit > 1e15) return std::nullopt;
  return static_cast<std::uint64_t>(number->first * *unit);
}

}  // namespace periprox::stage
