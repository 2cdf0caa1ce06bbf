#include "periprox/stage/fault_rule.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "periprox/stage/rule_words.hpp"

namespace periprox::stage {
namespace {

using Action = FaultRule::Action;

enum class Value : std::uint8_t { None, Status, Duration, MaybeDuration, Rate, Bytes, MaybeBytes };

struct ActionRow {
  std::string_view name;
  Action action;
  Value value;
};
constexpr std::array kActions{
    ActionRow{"stall", Action::Stall, Value::None},
    ActionRow{"error", Action::Error, Value::Status},
    ActionRow{"drop", Action::Drop, Value::None},
    ActionRow{"delay", Action::Delay, Value::Duration},
    ActionRow{"jitter", Action::Jitter, Value::Duration},
    ActionRow{"slow", Action::Slow, Value::Rate},
    ActionRow{"truncate", Action::Truncate, Value::Bytes},
    ActionRow{"corrupt", Action::Corrupt, Value::MaybeBytes},
    ActionRow{"duplicate", Action::Duplicate, Value::None},
    ActionRow{"reorder", Action::Reorder, Value::None},
    ActionRow{"disconnect", Action::Disconnect, Value::MaybeDuration},
};

struct ErrnoRow {
  std::string_view name;
  int number;
};
constexpr std::array kErrors{
    ErrnoRow{"EPIPE", 32},      ErrnoRow{"EPROTO", 71},    ErrnoRow{"EILSEQ", 84},
    ErrnoRow{"ETIME", 62},      ErrnoRow{"EOVERFLOW", 75}, ErrnoRow{"EREMOTEIO", 121},
    ErrnoRow{"ECOMM", 70},      ErrnoRow{"ENOSR", 63},     ErrnoRow{"ESHUTDOWN", 108},
    ErrnoRow{"ETIMEDOUT", 110}, ErrnoRow{"EIO", 5},        ErrnoRow{"ENODEV", 19},
};

constexpr std::string_view kActionNames =
    "the actions are stall, error, drop, delay, jitter, slow, truncate, corrupt, duplicate, "
    "reorder "
    "and disconnect";

std::optional<std::vector<std::optional<std::uint8_t>>> parse_setup(std::string_view text) {
  std::vector<std::optional<std::uint8_t>> bytes;
  for (; !text.empty(); text.remove_prefix(2)) {
    if (text.size() < 2 || bytes.size() == sizeof(usb::SetupPacket)) return std::nullopt;
    const auto digits = text.substr(0, 2);
    std::uint8_t byte = 0;
    const auto end = std::from_chars(digits.data(), digits.data() + 2, byte, 16);
    if (digits == "??") {
      bytes.emplace_back();
    } else if (end.ec == std::errc{} && end.ptr == digits.data() + 2) {
      bytes.emplace_back(byte);
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

/// Reads one rule, word by word; remembers the first thing that is wrong.
class RuleParser {
 public:
  explicit RuleParser(std::string_view text) { rule_.text = text; }

  Result<FaultRule> run() {
    for (const auto word : split_words(rule_.text)) {
      if (!wrong_) take(word);
    }
    if (!wrong_ && !has_action_) reject("it says what to choose but not what to do", kActionNames);
    if (wrong_) return tl::make_unexpected(*wrong_);
    return std::move(rule_);
  }

 private:
  void take(std::string_view word) {
    const auto equals = word.find('=');
    const auto name = word.substr(0, equals);
    const bool has_value = equals != std::string_view::npos;
    const auto value = has_value ? word.substr(equals + 1) : std::string_view{};
    const auto action = std::ranges::find(kActions, name, &ActionRow::name);
    if (action != kActions.end()) {
      if (std::exchange(has_action_, true)) reject("it has two actions", "write two rules");
      rule_.action = action->action;
      take_value(*action, value, has_value);
    } else if (has_value) {
      take_selector(name, value);
    } else {
      reject("'" + std::string(word) + "' is no action", kActionNames);
    }
  }

  void take_value(const ActionRow& action, std::string_view text, bool has_value) {
    const auto expect = [&](bool good, std::string_view expected) {
      if (!good) reject(std::string(action.name) + " wants " + std::string(expected), "");
    };
    switch (action.value) {
      case Value::None:
        expect(!has_value, "no value");
        break;
      case Value::Status: {
        const auto row = std::ranges::find(kErrors, has_value ? text : "EPROTO", &ErrnoRow::name);
        expect(row != kErrors.end(),
               "the name of an error, such as EPROTO, EILSEQ, ETIME, EOVERFLOW");
        if (row != kErrors.end()) rule_.status = usb::status_from_errno(row->number);
        break;
      }
      case Value::MaybeDuration:
        if (!has_value) break;
        [[fallthrough]];
      case Value::Duration: {
        const auto duration = parse_duration(text);
        expect(duration.has_value(), "a time of at most a day, such as 20ms or 1.5s");
        rule_.duration = duration.value_or(Duration{});
        break;
      }
      case Value::Rate: {
        const auto rate = parse_rate(text);
        expect(rate.has_value(), "bytes a second, such as 64k or 1.5M");
        rule_.amount = rate.value_or(1);
        break;
      }
      case Value::MaybeBytes:
      case Value::Bytes: {
        const bool is_left_out = action.value == Value::MaybeBytes && !has_value;
        const auto bytes = is_left_out ? 1 : parse_whole(text);
        expect(bytes.has_value(), "a number of bytes");
        rule_.amount = bytes.value_or(0);
        break;
      }
    }
  }

  void take_selector(std::string_view name, std::string_view value) {
    if (name == "ep") {
      const auto address = parse_whole(value);
      if (address && *address <= 0xff && (*address & 0x70) == 0) {
        rule_.endpoint = usb::EndpointAddress(static_cast<std::uint8_t>(*address));
      } else {
        reject("'" + std::string(value) + "' is no endpoint address", "write 0x81 or 0");
      }
    } else if (name == "type") {
      rule_.type = parse_type(value);
      if (!rule_.type)
        reject("'" + std::string(value) + "' is no transfer type",
               "the types are control, isochronous, bulk and interrupt");
    } else if (name == "dir") {
      if (value == "in") rule_.direction = usb::Direction::In;
      if (value == "out") rule_.direction = usb::Direction::Out;
      if (!rule_.direction)
        reject("'" + std::string(value) + "' is no direction", "write in or out");
    } else if (name == "setup") {
      auto setup = parse_setup(value);
      if (!setup || setup->empty()) {
        reject("'" + std::string(value) + "' is no setup packet",
               "write its first bytes in hexadecimal, ?? for any byte: setup=8006??01");
      } else {
        rule_.setup = std::move(*setup);
      }
    } else if (name == "nth") {
      take_nth(value);
    } else if (name == "every") {
      rule_.every = take_count(name, value);
    } else if (name == "times") {
      rule_.times = take_count(name, value);
    } else if (name == "p") {
      const auto number = parse_real(value);
      if (number && number->second.empty() && number->first <= 1) {
        rule_.probability = number->first;
      } else {
        reject("'" + std::string(value) + "' is no probability", "write a number from 0 to 1");
      }
    } else {
      reject("'" + std::string(name) + "' is no selector",
             "the selectors are ep, type, dir, setup, nth, every, times and p");
    }
  }

  /// "3" is the third alone, "3+" all from the third on.
  void take_nth(std::string_view value) {
    const bool and_on = value.ends_with('+');
    if (and_on) value.remove_suffix(1);
    rule_.first = take_count("nth", value);
    if (!and_on) rule_.times = 1;
  }

  std::uint64_t take_count(std::string_view name, std::string_view value) {
    const auto count = parse_whole(value);
    if (!count || *count == 0)
      reject(
          std::string(name) + " wants a whole number from 1 on, not '" + std::string(value) + "'",
          "");
    return count.value_or(1);
  }

  static std::optional<usb::TransferType> parse_type(std::string_view name) {
    using enum usb::TransferType;
    for (const auto type : {Control, Isochronous, Bulk, Interrupt}) {
      if (usb::transfer_type_name(type) == name) return type;
    }
    return std::nullopt;
  }

  void reject(std::string why, std::string_view hint) {
    if (wrong_) return;
    wrong_ = Error{Error::Kind::Usage, "'" + rule_.text + "' is no fault", std::move(why),
                   hint.empty() ? "an example: stall,ep=0x81,nth=3" : std::string(hint)};
  }

  FaultRule rule_;
  bool has_action_ = false;
  std::optional<Error> wrong_;
};

}  // namespace

bool FaultRule::fits(const usb::UrbData& urb) const {
  if (type && urb.type != *type) return false;
  if (endpoint) {
    // Control transfers carry both directions on endpoint 0.
    const bool same =
        endpoint->number() == 0 ? urb.endpoint.number() == 0 : urb.endpoint == *endpoint;
    if (!same) return false;
  }
  if (direction && urb.endpoint.direction() != *direction) return false;
  if (setup.empty()) return true;
  if (urb.type != usb::TransferType::Control) return false;
  const auto bytes = bytes_of(urb.setup);
  for (std::size_t i = 0; i < setup.size(); ++i) {
    if (setup[i] && std::byte{*setup[i]} != bytes[i]) return false;
  }
  return true;
}

Result<FaultRule> parse_fault_rule(std::string_view text) { return RuleParser(text).run(); }

}  // namespace periprox::stage
