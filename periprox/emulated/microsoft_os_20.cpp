#include "periprox/emulated/microsoft_os_20.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "periprox/base/bytes.hpp"
#include "periprox/base/endian.hpp"

namespace periprox::emulated {
namespace {

constexpr std::uint32_t kWindows81 = 0x06030000;
constexpr std::uint16_t kDescriptorIndex = 7;  // wIndex of the request for the set.
constexpr std::size_t kIdLength = 8;

/// wDescriptorType (table 9).
enum Type : std::uint16_t {
  kSetHeader = 0x00,
  kSubsetHeaderConfiguration = 0x01,
  kSubsetHeaderFunction = 0x02,
  kCompatibleId = 0x03,
  kRegistryProperty = 0x04,
};

void put16(ByteWriter& out, std::size_t value) { out.put(le16(static_cast<std::uint16_t>(value))); }

/// UTF-16 with `zeros` terminators; the texts here are ASCII.
void put_utf16(ByteWriter& out, std::string_view text, std::size_t zeros) {
  for (const char c : text) put16(out, static_cast<unsigned char>(c));
  for (std::size_t i = 0; i < zeros; ++i) put16(out, 0);
}

void put_compatible_id(ByteWriter& out, const std::string& id) {
  put16(out, 20);
  put16(out, kCompatibleId);
  std::array<char, 2 * kIdLength> ids{};
  std::copy_n(id.begin(), std::min(id.size(), kIdLength), ids.begin());
  out.put(ids);
}

/// DeviceInterfaceGUIDs, a list of strings that ends with an empty one.
void put_guid(ByteWriter& out, const std::string& guid) {
  constexpr std::string_view kName = "DeviceInterfaceGUIDs";
  constexpr std::uint16_t kMultiString = 7;
  const auto name_length = 2 * (kName.size() + 1);
  const auto data_length = 2 * (guid.size() + 2);
  put16(out, 10 + name_length + data_length);
  put16(out, kRegistryProperty);
  put16(out, kMultiString);
  put16(out, name_length);
  put_utf16(out, kName, 1);
  put16(out, data_length);
  put_utf16(out, guid, 2);
}

std::vector<std::byte> function_subset(const MicrosoftFunction& function) {
  ByteWriter features;
  put_compatible_id(features, function.compatible_id);
  if (!function.device_interface_guid.empty()) put_guid(features, function.device_interface_guid);
  ByteWriter out;
  put16(out, 8);
  put16(out, kSubsetHeaderFunction);
  out.put(function.first_interface);
  out.put(std::uint8_t{0});
  put16(out, 8 + features.bytes().size());
  out.put_bytes(features.bytes());
  return out.release();
}

std::vector<std::byte> descriptor_set(const MicrosoftOs20& options) {
  ByteWriter functions;
  for (const auto& function : options.functions) functions.put_bytes(function_subset(function));
  constexpr std::size_t kHeader = 10;
  constexpr std::size_t kConfigurationHeader = 8;
  ByteWriter out;
  put16(out, kHeader);
  put16(out, kSetHeader);
  out.put(le32(kWindows81));
  put16(out, kHeader + kConfigurationHeader + functions.bytes().size());
  put16(out, kConfigurationHeader);
  put16(out, kSubsetHeaderConfiguration);
  out.put(std::uint8_t{0});  // The index of the configuration, not its value.
  out.put(std::uint8_t{0});
  put16(out, kConfigurationHeader + functions.bytes().size());
  out.put_bytes(functions.bytes());
  return out.release();
}

/// The platform capability with the UUID of these descriptors (table 4):
/// {D8DD60DF-4589-4CC7-9CD2-659D9E648A9F}.
usb::RawDescriptor capability(std::uint8_t vendor_code, std::size_t set_length) {
  auto bytes = raw_bytes({28,   0x10, 0x05, 0,     //
                          0xdf, 0x60, 0xdd, 0xd8,  //
                          0x89, 0x45, 0xc7, 0x4c,  //
                          0x9c, 0xd2, 0x65, 0x9d,  //
                          0x9e, 0x64, 0x8a, 0x9f});
  ByteWriter out;
  out.put_bytes(bytes);
  out.put(le32(kWindows81));
  put16(out, set_length);
  out.put(vendor_code);
  out.put(std::uint8_t{0});  // No alternate enumeration.
  return out.release();
}

}  // namespace

void add_microsoft_os_20(Declaration& device, const MicrosoftOs20& options) {
  auto set = descriptor_set(options);
  device.bos_capabilities.push_back(capability(options.vendor_code, set.size()));
  device.requests.push_back(
      vendor_in(options.vendor_code, [set = std::move(set)](ControlTransfer transfer) {
        if (transfer.setup().wIndex != kDescriptorIndex) return transfer.stall();
        transfer.send(set);
      }));
}

}  // namespace periprox::emulated
