// Any bytes as a configuration, a BOS and a string: nothing may crash, what was understood must
// survive being built and parsed again, and a device made of it must stay within its bounds.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fuzz/require.hpp"
#include "periprox/usb/configuration.hpp"
#include "periprox/usb/describe.hpp"
#include "periprox/usb/device_model.hpp"

namespace {

using namespace periprox;
using namespace periprox::usb;

constexpr std::uint32_t kMostBytesPerInterval = 192 * 1024;
constexpr std::uint32_t kLongestInterval = 1U << 15;

void check_limits(const ParsedConfiguration& parsed) {
  PERIPROX_REQUIRE(parsed.findings.size() <= kMaxFindings);
  PERIPROX_REQUIRE(parsed.configuration.interfaces.size() <= kMaxInterfaces);
  for (const auto& interface : parsed.configuration.interfaces) {
    PERIPROX_REQUIRE(interface.alternate_settings.size() <= kMaxAlternateSettings);
    for (const auto& setting : interface.alternate_settings) {
      PERIPROX_REQUIRE(setting.endpoints.size() <= kMaxEndpoints);
    }
  }
}

void check_endpoints(const DeviceModel& model) {
  for (unsigned address = 0; address < 256; ++address) {
    const EndpointAddress endpoint(static_cast<std::uint8_t>(address));
    const auto* info = model.endpoint(endpoint);
    if (info == nullptr) continue;
    PERIPROX_REQUIRE(model.type_in_any_setting(endpoint) == info->type);
    PERIPROX_REQUIRE(info->bytes_per_interval <= kMostBytesPerInterval);
    PERIPROX_REQUIRE(info->interval <= kLongestInterval);
    const bool is_periodic =
        info->type == TransferType::Interrupt || info->type == TransferType::Isochronous;
    PERIPROX_REQUIRE(is_periodic == (info->interval != 0));
  }
}

/// Walks through every setting of a device that has this configuration.
void walk_device(const Configuration& configuration, Speed speed) {
  DeviceModel model(speed, DeviceDescriptor{}, {configuration});
  (void)model.set_configuration(configuration.descriptor.bConfigurationValue);
  check_endpoints(model);
  if (model.active_configuration() == nullptr) return;
  PERIPROX_REQUIRE(model.interface_classes().size() == configuration.interfaces.size());
  for (const auto& interface : configuration.interfaces) {
    for (const auto& setting : interface.alternate_settings) {
      const auto alternate = setting.descriptor.bAlternateSetting;
      PERIPROX_REQUIRE(model.set_interface(interface.number, alternate));
      PERIPROX_REQUIRE(model.alternate_setting(interface.number) == alternate ||
                       interface.alternate(0) == nullptr);
    }
    check_endpoints(model);
  }
}

void fuzz_configuration(Bytes bytes) {
  const auto parsed = parse_configuration(bytes);
  if (!parsed) return;
  check_limits(*parsed);
  const auto built = build_configuration(parsed->configuration);
  // Without findings every descriptor was kept as it came.
  PERIPROX_REQUIRE(!parsed->findings.empty() || built.size() == bytes.size());
  const auto again = parse_configuration(built);
  PERIPROX_REQUIRE(again.has_value());
  PERIPROX_REQUIRE(build_configuration(again->configuration) == built);
  const auto speed = speed_from_code(1 + std::to_integer<std::uint32_t>(bytes.back()) % 6).value();
  PERIPROX_REQUIRE(check_configuration(parsed->configuration, speed).size() <= kMaxFindings);
  walk_device(parsed->configuration, speed);
  const DeviceModel model(speed, DeviceDescriptor{}, {parsed->configuration});
  PERIPROX_REQUIRE(!render_text(describe(model)).empty());
}

void fuzz_bos(Bytes bytes) {
  PERIPROX_REQUIRE(!render_text(describe_bos(bytes)).empty());
  const auto parsed = parse_bos(bytes);
  if (!parsed) return;
  PERIPROX_REQUIRE(parsed->bos.capabilities.size() <= kMaxCapabilities);
  const auto built = build_bos(parsed->bos);
  const auto again = parse_bos(built);
  PERIPROX_REQUIRE(again.has_value());
  PERIPROX_REQUIRE(build_bos(again->bos) == built);
}

void fuzz_string(Bytes bytes) {
  (void)parse_language_list(bytes);
  if (const auto text = parse_string(bytes)) {
    PERIPROX_REQUIRE(parse_string(build_string(*text)) == text);
  }
  // The same bytes as somebody's UTF-8.
  const auto built = build_string({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const auto text = parse_string(built);
  PERIPROX_REQUIRE(text.has_value());
  PERIPROX_REQUIRE(build_string(*text) == built);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  fuzz_configuration(bytes);
  fuzz_bos(bytes);
  fuzz_string(bytes);
  return 0;
}
