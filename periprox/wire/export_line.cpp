#include "periprox/wire/export_line.hpp"

#include <algorithm>
#include <charconv>

namespace periprox::wire {
namespace {

tl::unexpected<Error> no_line(std::string_view text, std::string why) {
  std::string shown(text.substr(0, 64));
  std::replace_if(
      shown.begin(), shown.end(), [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  return fail(Error::Kind::Malformed, "'" + shown + "' does not announce a device", std::move(why),
              "the other side is `periprox export` or a service that prints \"devid speed\"");
}

}  // namespace

std::string encode_export_line(const ExportLine& line) {
  return std::to_string(line.devid) + ' ' + std::string(usb::speed_mbps(line.speed)) + '\n';
}

Result<ExportLine> decode_export_line(std::string_view text) {
  ExportLine line;
  const auto* end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, line.devid);
  if (error != std::errc{} || next == end || *next != ' ') {
    return no_line(text, "it does not begin with a device number and a blank");
  }
  auto rest = text.substr(static_cast<std::size_t>(next - text.data()) + 1);
  const auto speed = usb::parse_speed_mbps(rest.substr(0, rest.find(' ')));
  if (!speed) return no_line(text, "its second word is no speed of USB in Mbit/s");
  line.speed = *speed;
  return line;
}

}  // namespace periprox::wire
