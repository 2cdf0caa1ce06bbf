// The binary device object store (USB 3.2, 9.6.2): a header and a list of device capabilities.
#include <algorithm>

#include "periprox/usb/configuration.hpp"
#include "periprox/usb/descriptor_walker.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

// bLength, bDescriptorType, bDevCapabilityType.
constexpr std::size_t kSmallestCapability = 3;

void take_capability(ParsedBos& parsed, const DescriptorView& view) {
  if (!view.is(DescriptorType::DeviceCapability)) {
    parsed.findings.push_back(
        {view.offset, "descriptor type " + hex_text(view.type()) + " is no device capability"});
  } else if (view.bytes.size() < kSmallestCapability) {
    parsed.findings.push_back({view.offset, "device capability without bDevCapabilityType"});
  }
  parsed.bos.capabilities.push_back(view.raw());
}

}  // namespace

std::optional<ParsedBos> parse_bos(Bytes bytes) {
  const auto descriptor = read_as<BosDescriptor>(bytes);
  if (!descriptor || descriptor->bLength < sizeof(BosDescriptor) ||
      descriptor->bLength > bytes.size() ||
      descriptor->bDescriptorType != static_cast<std::uint8_t>(DescriptorType::Bos)) {
    return std::nullopt;
  }
  ParsedBos parsed;
  parsed.bos.descriptor = *descriptor;
  parsed.bos.descriptor.bLength = sizeof(BosDescriptor);
  const auto note = [&](std::size_t offset, std::string text) {
    parsed.findings.push_back({offset, std::move(text)});
  };
  if (descriptor->bLength != sizeof(BosDescriptor)) {
    note(0, "BOS: bLength is " + std::to_string(descriptor->bLength) + ", not 5");
  }
  const std::size_t total = descriptor->wTotalLength;
  if (total != bytes.size()) {
    note(2, "wTotalLength is " + std::to_string(total) + " but there are " +
                std::to_string(bytes.size()) + " bytes");
  }
  const auto size = std::clamp<std::size_t>(total, descriptor->bLength, bytes.size());
  DescriptorWalker walker(bytes.first(size), descriptor->bLength);
  // bNumDeviceCaps is one byte, so no sound store has more.
  while (parsed.bos.capabilities.size() < kMaxCapabilities) {
    const auto view = walker.next();
    if (!view) break;
    take_capability(parsed, *view);
  }
  if (walker.broken_at()) parsed.findings.push_back(*walker.broken_at());
  if (descriptor->bNumDeviceCaps != parsed.bos.capabilities.size()) {
    note(4, "bNumDeviceCaps is " + std::to_string(descriptor->bNumDeviceCaps) + " but there are " +
                std::to_string(parsed.bos.capabilities.size()));
  }
  return parsed;
}

std::vector<std::byte> build_bos(const Bos& bos) {
  ByteWriter out;
  out.put(bos.descriptor);
  for (const auto& capability : bos.capabilities) out.put_bytes(capability);
  auto bytes = out.release();
  auto descriptor = bos.descriptor;
  descriptor.bNumDeviceCaps = static_cast<std::uint8_t>(bos.capabilities.size());
  descriptor.wTotalLength = static_cast<std::uint16_t>(std::min<std::size_t>(bytes.size(), 0xffff));
  std::ranges::copy(bytes_of(descriptor), bytes.begin());
  return bytes;
}

}  // namespace periprox::usb
