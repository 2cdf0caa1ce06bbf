// A configuration as a tree: interfaces, their alternate settings, their endpoints.
//
// parse_configuration() takes any bytes at all: what cannot be understood is kept as raw bytes or
// skipped, and each such place becomes a Finding, never a failure of the program.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/usb/descriptors.hpp"
#include "periprox/usb/speed.hpp"

namespace periprox::usb {

/// A descriptor that is kept as it came, header included: class-specific, vendor-specific, unknown.
using RawDescriptor = std::vector<std::byte>;

/// Something in a descriptor that the standard does not allow.
struct Finding {
  std::size_t offset = 0;  ///< Byte position in the descriptor block that was parsed.
  std::string text;        ///< In the standard's words: "endpoint 0x81: bLength is 3, not 7".
  friend bool operator==(const Finding&, const Finding&) = default;
};

struct Endpoint {
  EndpointDescriptor descriptor;
  std::optional<SsEndpointCompanionDescriptor> companion;
  std::vector<RawDescriptor> extra;
  /// The two bytes that audio devices append (USB Audio 1.0, 4.6.1.1); there when bLength is 9.
  std::uint8_t bRefresh = 0;
  std::uint8_t bSynchAddress = 0;

  [[nodiscard]] EndpointAddress address() const { return descriptor.address(); }
  [[nodiscard]] TransferType type() const { return descriptor.type(); }
  /// Bytes in one packet: wMaxPacketSize bits 0-10.
  [[nodiscard]] std::uint32_t max_packet_size() const { return descriptor.wMaxPacketSize & 0x7ff; }
  /// Most bytes in one (micro)frame: with high-bandwidth multiples, bursts and Mult.
  [[nodiscard]] std::uint32_t bytes_per_interval(Speed speed) const;
  /// The period of a periodic endpoint in frames (low, full) or microframes (high and above),
  /// decoded from bInterval (USB 2.0, 9.6.6) and at least 1; 0 for control and bulk.
  [[nodiscard]] std::uint32_t interval(Speed speed) const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct AlternateSetting {
  InterfaceDescriptor descriptor;
  std::vector<RawDescriptor> extra;  ///< What stands between the interface and its first endpoint.
  std::vector<Endpoint> endpoints;

  friend bool operator==(const AlternateSetting&, const AlternateSetting&) = default;
};

struct Interface {
  std::uint8_t number = 0;
  std::vector<AlternateSetting>
      alternate_settings;  ///< In the order of the descriptors; never empty.

  /// The setting whose bAlternateSetting is `value`, or null.
  [[nodiscard]] const AlternateSetting* alternate(std::uint8_t value) const;

  friend bool operator==(const Interface&, const Interface&) = default;
};

struct Configuration {
  ConfigurationDescriptor descriptor;
  std::vector<InterfaceAssociationDescriptor> associations;
  std::vector<RawDescriptor>
      extra;  ///< What stands before the first interface and is no association.
  std::vector<Interface> interfaces;  ///< In the order of first appearance.

  [[nodiscard]] const Interface* interface(std::uint8_t number) const;

  friend bool operator==(const Configuration&, const Configuration&) = default;
};

/// A parsed configuration and what was odd about it.
struct ParsedConfiguration {
  Configuration configuration;
  std::vector<Finding> findings;
};

/// Reads a whole configuration descriptor block (the answer to GET_DESCRIPTOR(configuration)).
/// Empty only when `bytes` does not even start with a configuration descriptor. At most
/// kMaxInterfaces interfaces, kMaxAlternateSettings settings in each and kMaxEndpoints endpoints in
/// each of those are kept, and at most kMaxFindings findings; the rest is a Finding.
[[nodiscard]] std::optional<ParsedConfiguration> parse_configuration(Bytes bytes);

/// Writes the block back: the inverse of parse_configuration() for a block without findings whose
/// descriptors stand in the standard's order. wTotalLength, bNumInterfaces and bNumEndpoints are
/// computed.
[[nodiscard]] std::vector<std::byte> build_configuration(const Configuration& configuration);

/// Checks a configuration against chapter 9 at `speed`: packet sizes, intervals, addresses used
/// twice, companions missing. Empty when nothing is wrong; the offset of these findings is 0.
[[nodiscard]] std::vector<Finding> check_configuration(const Configuration& configuration,
                                                       Speed speed);

inline constexpr std::size_t kMaxInterfaces = 64;
inline constexpr std::size_t kMaxAlternateSettings = 256;
inline constexpr std::size_t kMaxEndpoints = 30;
inline constexpr std::size_t kMaxFindings = 256;

/// At most this many capabilities are kept.
inline constexpr std::size_t kMaxCapabilities = 255;

/// A BOS (binary device object store); its capabilities are raw, header included.
struct Bos {
  BosDescriptor descriptor;
  std::vector<RawDescriptor> capabilities;

  friend bool operator==(const Bos&, const Bos&) = default;
};
struct ParsedBos {
  Bos bos;
  std::vector<Finding> findings;
};
[[nodiscard]] std::optional<ParsedBos> parse_bos(Bytes bytes);
[[nodiscard]] std::vector<std::byte> build_bos(const Bos& bos);

/// The text of a string descriptor as UTF-8; unpaired surrogates become U+FFFD. Empty optional when
/// the bytes are no string descriptor.
[[nodiscard]] std::optional<std::string> parse_string(Bytes bytes);
/// A string descriptor of the UTF-8 `text`, cut at 126 UTF-16 units (not within a pair).
[[nodiscard]] std::vector<std::byte> build_string(std::string_view text);
/// String descriptor 0: the languages that strings exist in, e.g. 0x0409 (English, United States).
[[nodiscard]] std::vector<std::byte> build_language_list(std::span<const std::uint16_t> languages);
[[nodiscard]] std::vector<std::uint16_t> parse_language_list(Bytes bytes);

}  // namespace periprox::usb
