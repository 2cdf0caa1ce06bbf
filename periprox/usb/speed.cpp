#include "periprox/usb/speed.hpp"

#include <array>

namespace periprox::usb {
namespace {

struct Row {
  Speed speed;
  std::string_view name;
  std::string_view mbps;
};

constexpr std::array kSpeeds{
    Row{Speed::Low, "low", "1.5"},      Row{Speed::Full, "full", "12"},
    Row{Speed::High, "high", "480"},    Row{Speed::Wireless, "wireless", "53.3-480"},
    Row{Speed::Super, "super", "5000"}, Row{Speed::SuperPlus, "super-plus", "10000"},
};

}  // namespace

std::string_view speed_name(Speed speed) {
  return kSpeeds[static_cast<std::size_t>(speed) - 1].name;
}

std::optional<Speed> parse_speed(std::string_view name) {
  for (const auto& row : kSpeeds) {
    if (row.name == name) return row.speed;
  }
  return std::nullopt;
}

std::string_view speed_mbps(Speed speed) {
  return kSpeeds[static_cast<std::size_t>(speed) - 1].mbps;
}

std::optional<Speed> parse_speed_mbps(std::string_view mbps) {
  if (mbps == "20000") return Speed::SuperPlus;
  for (const auto& row : kSpeeds) {
    if (row.mbps == mbps) return row.speed;
  }
  return std::nullopt;
}

}  // namespace periprox::usb
