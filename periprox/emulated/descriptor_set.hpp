// Every descriptor that a device answers with at one speed, derived from its declaration.
// USB 2.0 chapter 9.6; USB 3.2 chapter 9.6 (companions, BOS, bMaxPacketSize0 as an exponent).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/emulated/declaration.hpp"
#include "periprox/usb/configuration.hpp"
#include "periprox/usb/descriptors.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox::emulated {

/// The answers to GET_DESCRIPTOR, ready to be sent.
struct DescriptorSet {
  usb::DeviceDescriptor device;
  std::vector<usb::Configuration> configurations;
  std::vector<std::vector<std::byte>> configuration_blocks;
  /// Only of a device that can run at both full and high speed, and runs at one of them.
  std::optional<usb::DeviceQualifierDescriptor> qualifier;
  std::vector<std::vector<std::byte>> other_speed_blocks;
  std::vector<std::byte> bos;  ///< Empty when there is none.
  /// By string index; 0 is the list of languages, which exists when any string does.
  std::vector<std::vector<std::byte>> strings;
  /// The same in other languages.
  std::map<std::uint16_t, std::vector<std::vector<std::byte>>> translated;
};

/// Derives the descriptors at `speed`. Fails with Usage when the declaration cannot run at that
/// speed or breaks a rule of the standard; the reason names the place and the rule.
[[nodiscard]] Result<DescriptorSet> derive_descriptors(const Declaration& declaration,
                                                       usb::Speed speed);

/// The language of the strings in a declaration: English (United States).
inline constexpr std::uint16_t kLanguage = 0x0409;
/// What fits into string descriptor 0.
inline constexpr std::size_t kMaxLanguages = 126;

}  // namespace periprox::emulated
