#include "periprox/service/open_recorded.hpp"

#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include "periprox/recorded/recorded_device.hpp"
#include "periprox/recorded/recording.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox::service {
namespace {

constexpr std::array kSettings{
    emulated::SettingInfo{"device", "", "one of several, such as 1.4"},
    emulated::SettingInfo{"timing", "recorded", "recorded, fast, or a factor such as x10"},
    emulated::SettingInfo{"on_miss", "nearest", "nearest, stall or stop"},
    emulated::SettingInfo{"speed", "", "low, full, high, super or super-plus"},
};
/// Lines about divergences; the rest is only counted.
constexpr std::uint64_t kMostLines = 20;

/// 1 for "recorded", 0 for "fast", the factor of "x10".
double speed_up_of(emulated::SettingsReader& reader) {
  auto text = reader.text("timing");
  if (text == "recorded") return 1;
  if (text == "fast") return 0;
  double factor = 0;
  const bool has_x = text.starts_with('x');
  if (has_x) text.remove_prefix(1);
  const auto end = std::from_chars(text.data(), text.data() + text.size(), factor);
  const bool is_number = end.ec == std::errc{} && end.ptr == text.data() + text.size();
  if (!has_x || !is_number || factor < 0.001 || factor > 1000)
    reader.reject("timing", "recorded, fast, or a factor from x0.001 to x1000");
  return factor;
}

}  // namespace

Result<OpenedDevice> open_recorded(const RecordedLocator& locator, Timers& timers,
                                   std::function<void(std::string_view)> advise) {
  emulated::SettingsReader reader("recorded", locator.settings, kSettings);
  recorded::PlayOptions options{.speed_up = speed_up_of(reader)};
  options.on_miss =
      static_cast<recorded::OnMiss>(reader.choice("on_miss", {"nearest", "stall", "stop"}));
  recorded::RecordingChoice choice{.device = std::string(reader.text("device"))};
  if (reader.is_given("speed")) {
    choice.speed = usb::parse_speed(reader.text("speed"));
    if (!choice.speed) reader.reject("speed", "low, full, high, super or super-plus");
  }
  if (reader.error()) return tl::make_unexpected(*reader.error());
  auto recording = recorded::load_recording(locator.path, choice);
  if (!recording) return forward_error(recording);
  options.diverged = [advise = std::move(advise), count = std::uint64_t{0},
                      path = locator.path](const std::string& what) mutable {
    if (!advise || ++count > kMostLines) return;
    advise(path + ": " + what +
           (count == kMostLines ? " (further divergences are not reported)" : ""));
  };
  return OpenedDevice{.device = std::make_shared<recorded::RecordedDevice>(
                          std::move(*recording), std::move(options), timers)};
}

}  // namespace periprox::service
