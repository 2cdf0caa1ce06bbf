#include "periprox/stage/limit_rule.hpp"

#include <utility>

#include "periprox/stage/rule_words.hpp"

namespace periprox::stage {
namespace {

using Kind = LimitRule::Kind;

tl::unexpected<Error> reject(const LimitRule& rule, std::string why, std::string hint) {
  return fail(Error::Kind::Usage, "'" + rule.text + "' is no limit", std::move(why),
              std::move(hint));
}

/// "50%".
std::optional<double> parse_share(std::string_view text) {
  const auto number = parse_real(text);
  if (!number || number->second != "%" || number->first <= 0 || number->first > 100)
    return std::nullopt;
  return number->first / 100;
}

Result<void> take_duration(const LimitRule& rule, std::string_view name, std::string_view value,
                           Duration& duration) {
  const auto parsed = parse_duration(value);
  if (!parsed || *parsed < std::chrono::milliseconds(1)) {
    return reject(rule, std::string(name) + " wants a time from 1 ms to a day",
                  "an example: " + std::string(name) + "=10s");
  }
  duration = *parsed;
  return {};
}

/// The word that says what kind of limit it is.
Result<void> take_kind(LimitRule& rule, std::string_view name, std::string_view value,
                       bool has_value) {
  if (name == "urbs" || name == "bytes") {
    rule.kind = name == "urbs" ? Kind::Urbs : Kind::Bytes;
    const auto rate = parse_rate(value);
    if (!rate) {
      return reject(rule, std::string(name) + " wants how many a second",
                    "such as urbs=500 or bytes=1.5M");
    }
    rule.rate = *rate;
  } else if (name == "breaker") {
    rule.kind = Kind::Breaker;
    if (!has_value) return {};
    const auto share = parse_share(value);
    if (!share) return reject(rule, "breaker wants a percentage", "such as breaker=50%");
    rule.share = *share;
  } else if (name == "orphans") {
    rule.kind = Kind::Orphans;
    if (has_value) return take_duration(rule, name, value, rule.patience);
  } else {
    return reject(rule, "'" + std::string(name) + "' limits nothing",
                  "the limits are urbs, bytes, breaker and orphans");
  }
  return {};
}

/// The words after that, which only a breaker has.
Result<void> take_setting(LimitRule& rule, std::string_view name, std::string_view value) {
  if (rule.kind == Kind::Breaker && name == "within")
    return take_duration(rule, name, value, rule.window);
  if (rule.kind == Kind::Breaker && name == "pause")
    return take_duration(rule, name, value, rule.pause);
  if (rule.kind == Kind::Breaker && name == "least") {
    const auto least = parse_whole(value);
    if (!least || *least == 0) {
      return reject(rule, "least wants a whole number from 1 on", "an example: least=20");
    }
    rule.least = *least;
    return {};
  }
  return reject(rule, "'" + std::string(name) + "' does not belong there",
                rule.kind == Kind::Breaker ? "after breaker stand least, within and pause"
                                           : "write two limits, each with its own --limit");
}

}  // namespace

Result<LimitRule> parse_limit_rule(std::string_view text) {
  LimitRule rule{.text = std::string(text)};
  bool is_first = true;
  for (const auto word : split_words(rule.text)) {
    const auto equals = word.find('=');
    const auto name = word.substr(0, equals);
    const bool has_value = equals != std::string_view::npos;
    const auto value = has_value ? word.substr(equals + 1) : std::string_view{};
    auto taken = std::exchange(is_first, false) ? take_kind(rule, name, value, has_value)
                                                : take_setting(rule, name, value);
    if (!taken) return forward_error(taken);
  }
  return rule;
}

}  // namespace periprox::stage
