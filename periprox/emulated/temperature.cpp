#include "periprox/emulated/temperature.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <numbers>
#include <utility>
#include <vector>

namespace periprox::emulated {
namespace {

constexpr std::size_t kMaxListedValues = 1'000'000;
constexpr std::size_t kMaxLineLength = 80;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

std::string not_a_temperature(std::size_t line, const std::string& name, std::string_view text) {
  return "line " + std::to_string(line) + " of " + name + " is '" +
         std::string(text.substr(0, kMaxLineLength)) +
         "', not a temperature from -256 to 255.99 in degrees Celsius";
}

/// Takes lines out of a descriptor, as far as they have arrived.
class ArrivingLines {
 public:
  explicit ArrivingLines(int fd) : fd_(fd) {}

  /// The next whole line; empty when none has arrived.
  std::optional<std::string> next() {
    if (buffer_.find('\n') == std::string::npos) read_some();
    auto end = buffer_.find('\n');
    if (end == std::string::npos) {
      // The last line may lack its newline; one that never ends is cut.
      if (buffer_.empty() || (!ended_ && buffer_.size() < kMaxLineLength)) return std::nullopt;
      end = buffer_.size();
    }
    ++number_;
    auto line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    return line;
  }
  [[nodiscard]] std::size_t number() const { return number_; }

 private:
  void read_some() {
    pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
    if (ended_ || ::poll(&readable, 1, 0) <= 0) return;
    std::array<char, 4096> chunk{};
    const auto count = ::read(fd_, chunk.data(), chunk.size());
    if (count > 0) buffer_.append(chunk.data(), static_cast<std::size_t>(count));
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) ended_ = true;
  }

  int fd_;
  std::string buffer_;
  std::size_t number_ = 0;
  bool ended_ = false;
};

/// The parts of "a:b:c" as temperatures or other decimals; empty when it has another form.
std::optional<std::array<std::int64_t, 3>> parse_triple(std::string_view text) {
  std::array<std::int64_t, 3> values{};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto colon = text.find(':');
    const bool is_last = i + 1 == values.size();
    if ((colon == std::string_view::npos) != is_last) return std::nullopt;
    const auto value = parse_millionths(text.substr(0, colon));
    if (!value) return std::nullopt;
    values[i] = *value;
    text.remove_prefix(is_last ? text.size() : colon + 1);
  }
  return values;
}

bool in_range(MicroCelsius celsius) { return celsius >= kColdest && celsius <= kHottest; }

TemperatureSource ramp_from(SettingsReader& reader) {
  const auto triple = parse_triple(reader.text("ramp"));
  const bool sound = triple && in_range((*triple)[0]) && in_range((*triple)[1]) &&
                     (*triple)[2] != 0 && ((*triple)[2] > 0) == ((*triple)[1] >= (*triple)[0]);
  if (!sound) {
    reader.reject("ramp", "FROM:TO:STEP in degrees Celsius with a STEP that leads from FROM to TO");
    return {};
  }
  return ramp_temperature((*triple)[0], (*triple)[1], (*triple)[2]);
}

TemperatureSource sine_from(SettingsReader& reader) {
  const auto triple = parse_triple(reader.text("sine"));
  const bool sound = triple && (*triple)[1] >= 0 && in_range((*triple)[0] - (*triple)[1]) &&
                     in_range((*triple)[0] + (*triple)[1]) && (*triple)[2] > 0;
  if (!sound) {
    reader.reject("sine", "MEAN:AMPLITUDE:PERIOD in degrees Celsius and seconds");
    return {};
  }
  return sine_temperature((*triple)[0], (*triple)[1], std::chrono::microseconds((*triple)[2]));
}

Result<TemperatureSource> file_from(const SettingsReader& reader) {
  const std::string path(reader.text("file"));
  if (path == "-") {
    return streamed_temperature(STDIN_FILENO, [](const std::string& complaint) {
      std::fprintf(stderr, "periprox: %s; skipped\n", complaint.c_str());
    });
  }
  std::ifstream file(path);
  if (!file)
    return tl::make_unexpected(errno_error(errno, "cannot read temperatures from " + path));
  return listed_temperature(file, path);
}

}  // namespace

std::int16_t to_128ths(MicroCelsius celsius) {
  const MicroCelsius half = celsius < 0 ? -500'000 : 500'000;
  return static_cast<std::int16_t>((celsius * 128 + half) / 1'000'000);
}

std::optional<MicroCelsius> parse_celsius(std::string_view text) {
  const auto celsius = parse_millionths(text);
  return celsius && in_range(*celsius) ? celsius : std::nullopt;
}

TemperatureSource constant_temperature(MicroCelsius celsius) {
  return [celsius](TimePoint) { return celsius; };
}

TemperatureSource ramp_temperature(MicroCelsius from, MicroCelsius to, MicroCelsius step) {
  return [next = from, to, step](TimePoint) mutable {
    const MicroCelsius current = next;
    const MicroCelsius following = current + step;
    if (step > 0 ? following <= to : following >= to) next = following;
    return current;
  };
}

TemperatureSource sine_temperature(MicroCelsius mean, MicroCelsius amplitude, Duration period) {
  return [=, start = std::optional<TimePoint>()](TimePoint now) mutable {
    if (!start) start = now;
    const double turns = static_cast<double>(((now - *start) % period).count()) /
                         static_cast<double>(period.count());
    const double offset = static_cast<double>(amplitude) * std::sin(2 * std::numbers::pi * turns);
    return mean + static_cast<MicroCelsius>(std::llround(offset));
  };
}

Result<TemperatureSource> listed_temperature(std::istream& file, const std::string& name) {
  std::vector<MicroCelsius> values;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const auto text = trimmed(line);
    if (text.empty()) continue;
    const auto celsius = parse_celsius(text);
    if (!celsius) {
      return fail(Error::Kind::Usage, "cannot take temperatures from " + name,
                  not_a_temperature(number, name, text), "write one number on each line");
    }
    if (values.size() == kMaxListedValues) {
      return fail(Error::Kind::Usage, "cannot take temperatures from " + name,
                  "it has more than " + std::to_string(kMaxListedValues) + " values");
    }
    values.push_back(*celsius);
  }
  if (values.empty()) {
    return fail(Error::Kind::Usage, "cannot take temperatures from " + name, "it has no value",
                "write one number on each line");
  }
  return [values = std::move(values), next = std::size_t{0}](TimePoint) mutable {
    const auto current = values[next];
    if (next + 1 < values.size()) ++next;
    return current;
  };
}

TemperatureSource streamed_temperature(int fd, std::function<void(const std::string&)> complain) {
  return [lines = ArrivingLines(fd), complain = std::move(complain),
          last = std::optional<MicroCelsius>()](TimePoint) mutable {
    while (const auto line = lines.next()) {
      const auto text = trimmed(*line);
      if (text.empty()) continue;
      if (const auto celsius = parse_celsius(text)) return last = celsius;
      complain(not_a_temperature(lines.number(), "standard input", text));
    }
    return last;
  };
}

Result<TemperatureSource> temperature_from(SettingsReader& reader) {
  reader.exclusive({"celsius", "ramp", "sine", "file"});
  if (reader.is_given("ramp")) return ramp_from(reader);
  if (reader.is_given("sine")) return sine_from(reader);
  if (reader.is_given("file")) return file_from(reader);
  const auto celsius = parse_celsius(reader.text("celsius"));
  if (!celsius) reader.reject("celsius", "a temperature from -256 to 255.99");
  return constant_temperature(celsius.value_or(0));
}

}  // namespace periprox::emulated
