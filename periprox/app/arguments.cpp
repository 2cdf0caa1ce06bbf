#include "periprox/app/arguments.hpp"

#include <charconv>
#include <cmath>

#include "periprox/service/printable.hpp"

namespace periprox::app {
namespace {

tl::unexpected<Error> bad_argument(std::string_view name, std::string_view text, std::string why,
                                   std::string hint = {}) {
  return fail(Error::Kind::Usage,
              "'" + service::printable(text, 64) + "' is no " + std::string(name), std::move(why),
              std::move(hint));
}

}  // namespace

Result<std::uint64_t> parse_number(std::string_view name, std::string_view text,
                                   std::uint64_t most) {
  auto digits = text;
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    digits.remove_prefix(2);
    base = 16;
  }
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error == std::errc::result_out_of_range || (error == std::errc{} && value > most)) {
    return bad_argument(name, text, "it is more than " + std::to_string(most));
  }
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return bad_argument(name, text, "it is not a number", "write it as 18 or as 0x12");
  }
  return value;
}

Result<Duration> parse_seconds(std::string_view name, std::string_view text) {
  constexpr double kDay = 86400;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc{} && end == text.data() + text.size();
  if (!is_number || !(seconds > 0 && seconds <= kDay)) {
    return bad_argument(name, text, "it is not a number of seconds from above 0 to 86400",
                        "write it as 5 or as 0.25");
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

Result<std::pair<std::uint8_t, std::uint8_t>> parse_setting(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) {
    return bad_argument("alternate setting", text, "the ':' is missing",
                        "write INTERFACE:ALTERNATE, e.g. 0:1");
  }
  const auto interface = parse_number("interface number", text.substr(0, colon), 0xff);
  if (!interface) return tl::make_unexpected(interface.error());
  const auto alternate = parse_number("alternate setting", text.substr(colon + 1), 0xff);
  if (!alternate) return tl::make_unexpected(alternate.error());
  return std::pair(static_cast<std::uint8_t>(*interface), static_cast<std::uint8_t>(*alternate));
}

}  // namespace periprox::app
