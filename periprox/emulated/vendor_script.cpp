#include "periprox/emulated/vendor_script.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "periprox/emulated/command_feed.hpp"

namespace periprox::emulated {
namespace {

/// A word of a line; text that was in quotes is marked.
struct Word {
  std::string text;
  bool quoted = false;
};

/// Splits a line; ':' and ';' outside of quotes are words of their own. '#' begins a comment.
Result<std::vector<Word>> words_of(std::string_view line) {
  std::vector<Word> words;
  std::size_t at = 0;
  while (at < line.size() && line[at] != '#') {
    const char c = line[at];
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at;
    } else if (c == '"') {
      const auto end = line.find('"', at + 1);
      if (end == std::string_view::npos) return bad_command("a quote is not closed");
      words.push_back({std::string(line.substr(at + 1, end - at - 1)), true});
      at = end + 1;
    } else if (c == ';' || (c == ':' && (at + 1 == line.size() || line[at + 1] == ' '))) {
      words.push_back({std::string(1, c)});
      ++at;
    } else {
      auto end = at;
      while (end < line.size() &&
             std::string_view(" \t\r;\"#").find(line[end]) == std::string_view::npos &&
             !(line[end] == ':' && (end + 1 == line.size() || line[end + 1] == ' '))) {
        ++end;
      }
      words.push_back({std::string(line.substr(at, end - at))});
      at = end;
    }
  }
  return words;
}

template <typename T>
Result<T> hex(const Word& word) {
  T value = 0;
  const auto* end = word.text.data() + word.text.size();
  const auto [stop, failure] = std::from_chars(word.text.data(), end, value, 16);
  if (!word.quoted && failure == std::errc{} && stop == end && !word.text.empty()) return value;
  return bad_command("'" + word.text + "' is not a hexadecimal number of " +
                     std::to_string(2 * sizeof(T)) + " digits");
}

/// Takes a line apart, word by word.
class Line {
 public:
  explicit Line(std::vector<Word> words) : words_(std::move(words)) {}

  [[nodiscard]] bool at_end() const { return at_ == words_.size(); }
  [[nodiscard]] bool at(std::string_view mark) const {
    return !at_end() && !words_[at_].quoted && words_[at_].text == mark;
  }
  bool take(std::string_view mark) {
    if (!at(mark)) return false;
    ++at_;
    return true;
  }
  /// The next word; an empty one at the end.
  Word next() { return at_end() ? Word{} : words_[at_++]; }
  /// True at the end of a part: of the line, before ':' or ';'.
  [[nodiscard]] bool at_part_end() const { return at_end() || at(":") || at(";"); }

  Result<std::vector<std::byte>> bytes() {
    std::vector<std::byte> bytes;
    while (!at_part_end()) {
      const auto word = next();
      if (word.quoted) {
        const auto text = bytes_of_text(word.text);
        bytes.insert(bytes.end(), text.begin(), text.end());
        continue;
      }
      const auto byte = hex<std::uint8_t>(word);
      if (!byte) return tl::make_unexpected(byte.error());
      bytes.push_back(static_cast<std::byte>(*byte));
    }
    return bytes;
  }
  /// A number, or nothing for '*' and at the end.
  Result<std::optional<std::uint16_t>> any_or_hex() {
    if (at_part_end() || take("*")) return std::nullopt;
    const auto value = hex<std::uint16_t>(next());
    if (!value) return tl::make_unexpected(value.error());
    return *value;
  }

 private:
  std::vector<Word> words_;
  std::size_t at_ = 0;
};

class Parser {
 public:
  Result<void> line(std::string_view text) {
    auto words = words_of(text);
    if (!words) return forward_error(words);
    Line line(std::move(*words));
    if (line.at_end()) return {};
    auto done = statement(line);
    if (done && !line.at_end()) return bad_command("'" + line.next().text + "' is too much");
    return done;
  }
  VendorScript script;

 private:
  Result<void> statement(Line& line) {
    const auto verb = line.next().text;
    if (verb == "device") return device(line);
    if (verb == "manufacturer") return text(line, script.manufacturer);
    if (verb == "product") return text(line, script.product);
    if (verb == "serial") return text(line, script.serial_number);
    if (verb == "interface") return interface(line);
    if (verb == "endpoint") return endpoint(line);
    if (verb == "on" || verb == "every") return rule(line, verb == "every");
    return bad_command("'" + verb +
                       "' is none of device, manufacturer, product, serial, interface, endpoint, "
                       "on, every");
  }

  Result<void> device(Line& line) {
    const auto ids = line.next().text;
    const auto colon = std::min(ids.find(':'), ids.size());
    const auto vendor = hex<std::uint16_t>({ids.substr(0, colon)});
    const auto product = hex<std::uint16_t>({ids.substr(std::min(colon + 1, ids.size()))});
    if (!vendor || !product) return bad_command("'device' takes ids such as 1209:0010");
    script.idVendor = *vendor;
    script.idProduct = *product;
    return {};
  }

  static Result<void> text(Line& line, std::string& into) {
    const auto word = line.next();
    if (!word.quoted) return bad_command("the text has to stand in quotes");
    into = word.text;
    return {};
  }

  Result<void> interface(Line& line) {
    for (auto* field :
         {&script.class_code.code, &script.class_code.subclass, &script.class_code.protocol}) {
      const auto value = hex<std::uint8_t>(line.next());
      if (!value) return tl::make_unexpected(value.error());
      *field = *value;
    }
    return {};
  }

  Result<void> endpoint(Line& line) {
    const auto address = hex<std::uint8_t>(line.next());
    if (!address) return tl::make_unexpected(address.error());
    VendorEndpoint endpoint{.address = usb::EndpointAddress(*address)};
    const auto type = line.next().text;
    if (type == "interrupt") {
      endpoint.type = usb::TransferType::Interrupt;
      const auto size = parse_whole(line.next().text, 1, 1024, "a packet size");
      if (!size) return tl::make_unexpected(size.error());
      endpoint.max_packet_size = static_cast<std::uint16_t>(*size);
      const auto interval = parse_time(line.next().text);
      if (!interval) return tl::make_unexpected(interval.error());
      endpoint.interval = *interval;
    } else if (type != "bulk") {
      return bad_command("an endpoint is 'bulk', or 'interrupt' with packet size and interval");
    }
    script.endpoints.push_back(endpoint);
    return {};
  }

  Result<void> rule(Line& line, bool is_timed) {
    if (script.rules.size() == kMaxVendorRules) return bad_command("there are too many rules");
    VendorRule rule;
    auto matched = is_timed ? every(line, rule) : on(line, rule);
    if (!matched) return matched;
    if (!line.take(":")) return bad_command("a ':' is missing before what is to be done");
    do {
      auto action = this->action(line, rule);
      if (!action) return forward_error(action);
      rule.actions.push_back(std::move(*action));
    } while (line.take(";"));
    script.rules.push_back(std::move(rule));
    return {};
  }

  static Result<void> every(Line& line, VendorRule& rule) {
    const auto period = parse_time(line.next().text);
    if (!period) return tl::make_unexpected(period.error());
    if (*period < std::chrono::milliseconds(1)) return bad_command("it is shorter than 1ms");
    rule.when = EveryMatch{*period};
    return {};
  }

  Result<void> on(Line& line, VendorRule& rule) {
    if (line.take("control")) return on_control(line, rule);
    if (!line.take("out")) return bad_command("'on' is followed by 'control' or 'out'");
    const auto address = known_endpoint(line, usb::Direction::Out);
    if (!address) return tl::make_unexpected(address.error());
    (void)line.take("*");
    auto begin = line.bytes();
    if (!begin) return forward_error(begin);
    rule.when = OutMatch{*address, std::move(*begin)};
    return {};
  }

  static Result<void> on_control(Line& line, VendorRule& rule) {
    const auto type = hex<std::uint8_t>(line.next());
    const auto request = hex<std::uint8_t>(line.next());
    if (!type) return tl::make_unexpected(type.error());
    if (!request) return tl::make_unexpected(request.error());
    if ((*type & 0x60) == 0) return bad_command("standard requests are answered by themselves");
    const auto value = line.any_or_hex();
    if (!value) return tl::make_unexpected(value.error());
    const auto index = line.any_or_hex();
    if (!index) return tl::make_unexpected(index.error());
    rule.when = ControlMatch{*type, *request, *value, *index};
    return {};
  }

  Result<VendorAction> action(Line& line, const VendorRule& rule) {
    using Kind = VendorAction::Kind;
    const auto* control = std::get_if<ControlMatch>(&rule.when);
    const bool is_timed = std::holds_alternative<EveryMatch>(rule.when);
    const auto verb = line.next().text;
    VendorAction action;
    if (verb == "send" || verb == "echo") {
      action.kind = verb == "send" ? Kind::Send : Kind::Echo;
      if (action.kind == Kind::Echo && is_timed) return bad_command("there is nothing to echo");
      const auto address = known_endpoint(line, usb::Direction::In);
      if (!address) return tl::make_unexpected(address.error());
      action.endpoint = *address;
      if (action.kind == Kind::Echo) return action;
    } else if (verb == "answer") {
      action.kind = Kind::Answer;
      const bool is_in = control != nullptr && (control->bmRequestType & 0x80) != 0;
      if (!is_in) return bad_command("only control IN requests (c0, a1, ...) are answered");
    } else if ((verb == "accept" || verb == "stall") && !is_timed) {
      action.kind = verb == "accept" ? Kind::Accept : Kind::Stall;
      return action;
    } else {
      return bad_command("'" + verb + "' is none of answer, accept, stall, send, echo");
    }
    auto bytes = line.bytes();
    if (!bytes) return forward_error(bytes);
    action.bytes = std::move(*bytes);
    return action;
  }

  /// An endpoint that the lines above declare.
  Result<usb::EndpointAddress> known_endpoint(Line& line, usb::Direction direction) const {
    const auto value = hex<std::uint8_t>(line.next());
    if (!value) return tl::make_unexpected(value.error());
    const usb::EndpointAddress address(*value);
    const bool known = std::ranges::find(script.endpoints, address, &VendorEndpoint::address) !=
                       script.endpoints.end();
    if (known && address.direction() == direction) return address;
    return bad_command(std::string("there is no such ") +
                       (direction == usb::Direction::In ? "IN" : "OUT") + " endpoint above");
  }
};

}  // namespace

Result<VendorScript> parse_vendor_script(std::string_view text, const std::string& name) {
  if (text.size() > kMaxVendorScript) {
    return fail(Error::Kind::Usage, "cannot use " + name, "it is larger than 1 MiB");
  }
  Parser parser;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (auto done = parser.line(line); !done) {
      return fail(Error::Kind::Usage, "cannot use " + name,
                  "line " + std::to_string(number) + ": " + done.error().why);
    }
  }
  return std::move(parser.script);
}

}  // namespace periprox::emulated
