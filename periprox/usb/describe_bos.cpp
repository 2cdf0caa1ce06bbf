// The device capabilities of a BOS in words (USB 3.2, 9.6.2), and the two platform capabilities
// that everybody meets: Microsoft OS 2.0 descriptors and WebUSB.
#include <array>
#include <string_view>

#include "periprox/usb/describe.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

struct CapabilityHeader {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint8_t bDevCapabilityType;
};
static_assert(sizeof(CapabilityHeader) == 3);

struct SuperSpeedCapability {
  std::uint8_t bmAttributes;
  le16 wSpeedsSupported;
  std::uint8_t bFunctionalitySupport;
  std::uint8_t bU1DevExitLat;
  le16 wU2DevExitLat;
};
static_assert(sizeof(SuperSpeedCapability) == 7);

struct SuperSpeedPlusCapability {
  std::uint8_t bReserved;
  le32 bmAttributes;
  le16 wFunctionalitySupport;
  le16 wReserved;
};
static_assert(sizeof(SuperSpeedPlusCapability) == 9);

struct Uuid {
  std::array<std::uint8_t, 16> bytes;
};

struct WebUsbPlatform {
  le16 bcdVersion;
  std::uint8_t bVendorCode;
  std::uint8_t iLandingPage;
};
static_assert(sizeof(WebUsbPlatform) == 4);

struct MsOs20DescriptorSet {
  le32 dwWindowsVersion;
  le16 wMSOSDescriptorSetTotalLength;
  std::uint8_t bMS_VendorCode;
  std::uint8_t bAltEnumCode;
};
static_assert(sizeof(MsOs20DescriptorSet) == 8);

constexpr std::string_view kMsOs20Uuid = "d8dd60df-4589-4cc7-9cd2-659d9e648a9f";
constexpr std::string_view kWebUsbUuid = "3408b638-09a9-47a0-8bfd-a0768815b665";

/// bDevCapabilityType (USB 3.2, table 9-14).
enum class CapabilityType : std::uint8_t {
  Usb20Extension = 0x02,
  SuperSpeed = 0x03,
  ContainerId = 0x04,
  Platform = 0x05,
  SuperSpeedPlus = 0x0a,
};

constexpr std::array<std::string_view, 18> kCapabilityNames{
    "",
    "Wireless USB",
    "USB 2.0 Extension",
    "SuperSpeed USB",
    "Container ID",
    "Platform",
    "Power Delivery",
    "Battery Info",
    "Power Delivery Consumer Port",
    "Power Delivery Provider Port",
    "SuperSpeedPlus USB",
    "Precision Time Measurement",
    "Wireless USB Extension",
    "Billboard",
    "Authentication",
    "Billboard Extension",
    "Configuration Summary",
    "Firmware Status",
};

std::string capability_name(std::uint8_t type) {
  if (type < kCapabilityNames.size()) return std::string(kCapabilityNames[type]);
  return {};
}

/// The first three fields of a UUID lie little-endian in descriptors, the rest as written.
std::string uuid_text(const Uuid& uuid) {
  constexpr std::array<std::size_t, 16> kOrder{3, 2, 1,  0,  5,  4,  7,  6,
                                               8, 9, 10, 11, 12, 13, 14, 15};
  std::string text;
  for (std::size_t i = 0; i < kOrder.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += hex_text(uuid.bytes[kOrder[i]]).substr(2);
  }
  return text;
}

template <std::size_t N>
std::string bit_names(std::uint32_t bits, const std::array<std::string_view, N>& names) {
  std::string text;
  for (std::size_t bit = 0; bit < N; ++bit) {
    if ((bits >> bit & 1) == 0 || names[bit].empty()) continue;
    if (!text.empty()) text += ", ";
    text += names[bit];
  }
  return text;
}

// Each of these decodes what stands behind the header, as far as it is there.

void add_usb20_extension(DescriptionNode& node, ByteReader& reader) {
  constexpr std::array<std::string_view, 5> kBits{"", "link power management", "BESL",
                                                  "baseline BESL valid", "deep BESL valid"};
  const auto attributes = reader.take<le32>();
  if (!attributes) return;
  node.add("bmAttributes", hex_text(*attributes, 8), bit_names(*attributes, kBits));
}

void add_super_speed(DescriptionNode& node, ByteReader& reader) {
  constexpr std::array<std::string_view, 2> kAttributes{"", "latency tolerance messages"};
  constexpr std::array<std::string_view, 4> kSpeeds{"low", "full", "high", "super"};
  const auto capability = reader.take<SuperSpeedCapability>();
  if (!capability) return;
  node.add("bmAttributes", hex_text(capability->bmAttributes),
           bit_names(capability->bmAttributes, kAttributes));
  node.add("wSpeedsSupported", hex_text(capability->wSpeedsSupported, 4),
           bit_names(capability->wSpeedsSupported, kSpeeds));
  const auto lowest = capability->bFunctionalitySupport;
  node.add("bFunctionalitySupport", std::to_string(lowest),
           lowest < kSpeeds.size() ? "all functions from " + std::string(kSpeeds[lowest]) + " speed"
                                   : "");
  node.add("bU1DevExitLat", std::to_string(capability->bU1DevExitLat),
           std::to_string(capability->bU1DevExitLat) + " us");
  node.add("wU2DevExitLat", std::to_string(capability->wU2DevExitLat),
           std::to_string(capability->wU2DevExitLat) + " us");
}

std::string sublink_text(std::uint32_t attribute) {
  constexpr std::array<std::string_view, 4> kExponents{"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
  std::string text = std::to_string(attribute >> 16) + " ";
  text += kExponents[(attribute >> 4) & 3];
  text += (attribute & 0x80) != 0 ? " transmit" : " receive";
  text += (attribute & 0x40) != 0 ? ", asymmetric" : ", symmetric";
  text += (attribute >> 14 & 3) == 0 ? ", SuperSpeed" : ", SuperSpeedPlus";
  return text + ", id " + std::to_string(attribute & 0xf);
}

void add_super_speed_plus(DescriptionNode& node, ByteReader& reader) {
  const auto capability = reader.take<SuperSpeedPlusCapability>();
  if (!capability) return;
  const std::uint32_t attributes = capability->bmAttributes;
  node.add("bmAttributes", hex_text(attributes, 8),
           std::to_string((attributes & 0x1f) + 1) + " sublink speed attributes, " +
               std::to_string((attributes >> 5 & 0xf) + 1) + " ids");
  const std::uint32_t functionality = capability->wFunctionalitySupport;
  node.add("wFunctionalitySupport", hex_text(functionality, 4),
           "id " + std::to_string(functionality & 0xf) + ", at least " +
               std::to_string(functionality >> 8 & 0xf) + " receive and " +
               std::to_string(functionality >> 12) + " transmit lanes");
  for (std::uint32_t i = 0; i <= (attributes & 0x1f); ++i) {
    const auto attribute = reader.take<le32>();
    if (!attribute) return;
    node.add("bmSublinkSpeedAttr", hex_text(*attribute, 8), sublink_text(*attribute));
  }
}

void add_container_id(DescriptionNode& node, ByteReader& reader) {
  struct ContainerId {
    std::uint8_t bReserved;
    Uuid uuid;
  };
  if (const auto id = reader.take<ContainerId>()) node.add("ContainerID", uuid_text(id->uuid));
}

void add_web_usb(DescriptionNode& node, ByteReader& reader) {
  const auto web = reader.take<WebUsbPlatform>();
  if (!web) return;
  node.add("bcdVersion", bcd_text(web->bcdVersion));
  node.add("bVendorCode", hex_text(web->bVendorCode));
  node.add("iLandingPage", std::to_string(web->iLandingPage));
}

std::string windows_text(std::uint32_t version) {
  if (version == 0x06030000) return "Windows 8.1";
  if (version >= 0x0a000000) return "Windows 10";
  return {};
}

void add_ms_os_20(DescriptionNode& node, ByteReader& reader) {
  while (const auto set = reader.take<MsOs20DescriptorSet>()) {
    node.add("dwWindowsVersion", hex_text(set->dwWindowsVersion, 8),
             windows_text(set->dwWindowsVersion));
    node.add("wMSOSDescriptorSetTotalLength", std::to_string(set->wMSOSDescriptorSetTotalLength),
             std::to_string(set->wMSOSDescriptorSetTotalLength) + " bytes");
    node.add("bMS_VendorCode", hex_text(set->bMS_VendorCode));
    node.add("bAltEnumCode", hex_text(set->bAltEnumCode));
  }
}

void add_platform(DescriptionNode& node, ByteReader& reader) {
  struct Platform {
    std::uint8_t bReserved;
    Uuid uuid;
  };
  const auto platform = reader.take<Platform>();
  if (!platform) return;
  const auto uuid = uuid_text(platform->uuid);
  const bool is_ms_os_20 = uuid == kMsOs20Uuid;
  const bool is_web_usb = uuid == kWebUsbUuid;
  node.add("PlatformCapabilityUUID", uuid,
           is_ms_os_20  ? "Microsoft OS 2.0 descriptors"
           : is_web_usb ? "WebUSB"
                        : "");
  if (is_ms_os_20) add_ms_os_20(node, reader);
  if (is_web_usb) add_web_usb(node, reader);
}

void add_fields(DescriptionNode& node, std::uint8_t type, ByteReader& reader) {
  switch (static_cast<CapabilityType>(type)) {
    case CapabilityType::Usb20Extension:
      return add_usb20_extension(node, reader);
    case CapabilityType::SuperSpeed:
      return add_super_speed(node, reader);
    case CapabilityType::ContainerId:
      return add_container_id(node, reader);
    case CapabilityType::Platform:
      return add_platform(node, reader);
    case CapabilityType::SuperSpeedPlus:
      return add_super_speed_plus(node, reader);
    default:
      return;
  }
}

DescriptionNode describe_capability(const RawDescriptor& raw) {
  ByteReader reader{Bytes(raw)};
  const auto header = reader.take<CapabilityHeader>();
  if (!header ||
      header->bDescriptorType != static_cast<std::uint8_t>(DescriptorType::DeviceCapability)) {
    return describe_raw(raw);
  }
  const auto type = header->bDevCapabilityType;
  DescriptionNode node{"Device Capability", hex_text(type), capability_name(type), {}};
  add_fields(node, type, reader);
  const auto rest = reader.take_bytes(reader.left());
  if (rest && !rest->empty()) node.add("data", hex_bytes(*rest));
  return node;
}

}  // namespace

DescriptionNode describe_bos(Bytes bytes) {
  const auto parsed = parse_bos(bytes);
  if (!parsed) return {"BOS", hex_bytes(bytes), "not a BOS descriptor", {}};
  DescriptionNode node{"BOS", "", "", {}};
  node.add("wTotalLength", std::to_string(parsed->bos.descriptor.wTotalLength));
  node.add("bNumDeviceCaps", std::to_string(parsed->bos.descriptor.bNumDeviceCaps));
  for (const auto& capability : parsed->bos.capabilities) {
    node.children.push_back(describe_capability(capability));
  }
  for (const auto& finding : parsed->findings) node.add("finding", finding.text);
  return node;
}

}  // namespace periprox::usb
