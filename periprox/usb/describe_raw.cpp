// Descriptors that stand among others without a struct of their own: HID (HID 1.11, 6.2.1), DFU
// functional (DFU 1.1, 4.1.3), OTG (On-The-Go supplement, 6.4), UAS pipe usage, SuperSpeedPlus
// isochronous companion (USB 3.2, 9.6.8). Types 0x21 and 0x24 belong to several classes, so the
// interface decides what they are.
#include <array>

#include "periprox/usb/describe.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

struct HidHeader {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  le16 bcdHID;
  std::uint8_t bCountryCode;
  std::uint8_t bNumDescriptors;
};
static_assert(sizeof(HidHeader) == 6);

struct HidClassDescriptorEntry {
  std::uint8_t bDescriptorType;
  le16 wDescriptorLength;
};
static_assert(sizeof(HidClassDescriptorEntry) == 3);

struct DfuFunctionalDescriptor {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint8_t bmAttributes;
  le16 wDetachTimeOut;
  le16 wTransferSize;
};
static_assert(sizeof(DfuFunctionalDescriptor) == 7);

DescriptionNode in_hex(std::string name, Bytes bytes) {
  return {std::move(name), hex_bytes(bytes), "", {}};
}

/// What is left after the fields that were decoded; nothing when nothing is.
void add_rest(DescriptionNode& node, ByteReader& reader) {
  const auto rest = reader.take_bytes(reader.left());
  if (rest && !rest->empty()) node.add("rest", hex_bytes(*rest));
}

std::string hid_type_name(std::uint8_t type) {
  switch (static_cast<DescriptorType>(type)) {
    case DescriptorType::HidReport:
      return "report";
    case DescriptorType::HidPhysical:
      return "physical";
    default:
      return {};
  }
}

DescriptionNode describe_hid(Bytes bytes) {
  DescriptionNode node{"HID", "", "", {}};
  ByteReader reader(bytes);
  const auto header = reader.take<HidHeader>();
  if (!header) return in_hex("HID", bytes);
  node.add("bcdHID", bcd_text(header->bcdHID));
  node.add("bCountryCode", std::to_string(header->bCountryCode));
  node.add("bNumDescriptors", std::to_string(header->bNumDescriptors));
  for (unsigned i = 0; i < header->bNumDescriptors; ++i) {
    const auto entry = reader.take<HidClassDescriptorEntry>();
    if (!entry) break;
    node.add("bDescriptorType", hex_text(entry->bDescriptorType),
             hid_type_name(entry->bDescriptorType));
    node.add("wDescriptorLength", std::to_string(entry->wDescriptorLength),
             std::to_string(entry->wDescriptorLength) + " bytes");
  }
  add_rest(node, reader);
  return node;
}

std::string dfu_attributes_text(std::uint8_t attributes) {
  constexpr std::array<std::string_view, 4> kBits{"download", "upload", "manifestation tolerant",
                                                  "will detach"};
  std::string text;
  for (std::size_t bit = 0; bit < kBits.size(); ++bit) {
    if ((attributes >> bit & 1) == 0) continue;
    if (!text.empty()) text += ", ";
    text += kBits[bit];
  }
  return text;
}

DescriptionNode describe_dfu(Bytes bytes) {
  DescriptionNode node{"DFU Functional", "", "", {}};
  ByteReader reader(bytes);
  const auto fixed = reader.take<DfuFunctionalDescriptor>();
  if (!fixed) return in_hex("DFU Functional", bytes);
  node.add("bmAttributes", hex_text(fixed->bmAttributes), dfu_attributes_text(fixed->bmAttributes));
  node.add("wDetachTimeOut", std::to_string(fixed->wDetachTimeOut),
           std::to_string(fixed->wDetachTimeOut) + " ms");
  node.add("wTransferSize", std::to_string(fixed->wTransferSize),
           std::to_string(fixed->wTransferSize) + " bytes");
  // DFU 1.0 ends before the version.
  if (const auto version = reader.take<le16>()) node.add("bcdDFUVersion", bcd_text(*version));
  add_rest(node, reader);
  return node;
}

bool is_uas(ClassCode code) { return code == ClassCode{0x08, 0x06, 0x62}; }

/// Which of the four pipes of USB Attached SCSI an endpoint is (T10 UAS, "Pipe Usage descriptor").
DescriptionNode describe_pipe_usage(Bytes bytes) {
  constexpr std::array<std::string_view, 5> kPipes{"", "command", "status", "data-in", "data-out"};
  if (bytes.size() < 3) return in_hex("Pipe Usage", bytes);
  DescriptionNode node{"Pipe Usage", "", "", {}};
  const auto id = std::to_integer<std::uint8_t>(bytes[2]);
  node.add("bPipeID", std::to_string(id), id < kPipes.size() ? std::string(kPipes[id]) : "");
  return node;
}

/// Type 0x21: whatever the class of the interface made of it.
DescriptionNode describe_class_descriptor(Bytes bytes, ClassCode context) {
  constexpr std::uint8_t kHidClass = 0x03;
  constexpr std::uint8_t kSmartCardClass = 0x0b;
  constexpr std::uint8_t kApplicationClass = 0xfe;
  constexpr std::uint8_t kDfuSubClass = 0x01;
  if (context.code == kHidClass) return describe_hid(bytes);
  if (context.code == kApplicationClass && context.subclass == kDfuSubClass)
    return describe_dfu(bytes);
  if (context.code == kSmartCardClass) return in_hex("CCID", bytes);
  return in_hex("Descriptor 0x21", bytes);
}

DescriptionNode describe_otg(Bytes bytes) {
  if (bytes.size() < 3) return in_hex("OTG", bytes);
  const auto attributes = std::to_integer<std::uint8_t>(bytes[2]);
  DescriptionNode node{"OTG", "", "", {}};
  std::string text;
  if ((attributes & 1) != 0) text = "SRP";
  if ((attributes & 2) != 0) text += text.empty() ? "HNP" : ", HNP";
  node.add("bmAttributes", hex_text(attributes), text);
  if (bytes.size() >= 5) {
    node.add("bcdOTG", bcd_text(*read_as<le16>(bytes.subspan(3))));
  }
  return node;
}

DescriptionNode describe_ssp_companion(Bytes bytes) {
  const auto companion = read_as<SspIsoEndpointCompanionDescriptor>(bytes);
  if (!companion) return in_hex("SuperSpeedPlus Isochronous Endpoint Companion", bytes);
  DescriptionNode node{"SuperSpeedPlus Isochronous Endpoint Companion", "", "", {}};
  node.add("dwBytesPerInterval", std::to_string(companion->dwBytesPerInterval));
  return node;
}

}  // namespace

DescriptionNode describe_raw(const RawDescriptor& descriptor, ClassCode context) {
  const Bytes bytes(descriptor);
  const auto header = read_as<DescriptorHeader>(bytes);
  if (!header) return in_hex("Descriptor", bytes);
  switch (static_cast<DescriptorType>(header->bDescriptorType)) {
    case DescriptorType::Hid:
      return describe_class_descriptor(bytes, context);
    case DescriptorType::ClassInterface:
      return is_uas(context) ? describe_pipe_usage(bytes)
                             : in_hex("Class-specific Interface", bytes);
    case DescriptorType::ClassEndpoint:
      return in_hex("Class-specific Endpoint", bytes);
    case DescriptorType::Otg:
      return describe_otg(bytes);
    case DescriptorType::SspIsoEndpointCompanion:
      return describe_ssp_companion(bytes);
    default:
      return in_hex("Descriptor " + hex_text(header->bDescriptorType), bytes);
  }
}

}  // namespace periprox::usb
