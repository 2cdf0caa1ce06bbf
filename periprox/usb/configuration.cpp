// Parsing follows what Linux does with odd descriptors (drivers/usb/core/config.c), so that a
// device looks the same here and to a kernel it is attached to: an interface that is too short or
// described twice is left out with all that belongs to it, a length that leads nowhere ends the
// walk.
#include "periprox/usb/configuration.hpp"

#include <algorithm>
#include <utility>

#include "periprox/usb/descriptor_walker.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

/// Builds the tree from one descriptor after the other, always knowing what the next one belongs
/// to.
class Builder {
 public:
  Builder(Configuration& configuration, std::vector<Finding>& findings)
      : configuration_(configuration), findings_(findings) {}

  void take(const DescriptorView& view) {
    switch (static_cast<DescriptorType>(view.type())) {
      case DescriptorType::Interface:
        return take_interface(view);
      case DescriptorType::InterfaceAssociation:
        return take_association(view);
      case DescriptorType::Endpoint:
        return take_endpoint(view);
      case DescriptorType::SsEndpointCompanion:
        return take_companion(view);
      default:
        return keep_raw(view);
    }
  }

  void note(std::size_t offset, std::string text) {
    if (findings_.size() + 1 < kMaxFindings) {
      findings_.push_back({offset, std::move(text)});
    } else if (findings_.size() < kMaxFindings) {
      findings_.push_back({offset, "more is wrong from here on"});
    }
  }

 private:
  /// The descriptor as a T; empty (and noted) when it is too short, noted when it is too long.
  template <typename T>
  std::optional<T> read(const DescriptorView& view, const std::string& name) {
    auto value = view.as<T>();
    if (view.bytes.size() != sizeof(T)) {
      note(view.offset, name + ": bLength is " + std::to_string(view.bytes.size()) + ", not " +
                            std::to_string(sizeof(T)));
    }
    if (value) value->bLength = sizeof(T);
    return value;
  }

  void take_interface(const DescriptorView& view) {
    endpoint_ = nullptr;
    setting_ = nullptr;
    skipping_ = true;
    const auto descriptor = read<InterfaceDescriptor>(view, "interface");
    if (!descriptor) return;
    auto* interface = find_or_add_interface(descriptor->bInterfaceNumber, view.offset);
    if (interface == nullptr) return;
    if (interface->alternate(descriptor->bAlternateSetting) != nullptr) {
      note(view.offset, "interface " + std::to_string(descriptor->bInterfaceNumber) +
                            ": alternate setting " + std::to_string(descriptor->bAlternateSetting) +
                            " is described twice; the second one is skipped");
      return;
    }
    // Settings are told apart by one byte: there are never more than kMaxAlternateSettings.
    setting_ = &interface->alternate_settings.emplace_back();
    setting_->descriptor = *descriptor;
    skipping_ = false;
  }

  Interface* find_or_add_interface(std::uint8_t number, std::size_t offset) {
    auto& interfaces = configuration_.interfaces;
    const auto found = std::ranges::find(interfaces, number, &Interface::number);
    if (found != interfaces.end()) return &*found;
    if (interfaces.size() == kMaxInterfaces) {
      note(offset, "interface " + std::to_string(number) + ": more than " +
                       std::to_string(kMaxInterfaces) + " interfaces; skipped");
      return nullptr;
    }
    interfaces.push_back({.number = number, .alternate_settings = {}});
    return &interfaces.back();
  }

  void take_association(const DescriptorView& view) {
    const auto descriptor = read<InterfaceAssociationDescriptor>(view, "interface association");
    if (!descriptor) return;
    if (configuration_.associations.size() == kMaxInterfaces) {
      return note(view.offset, "more than " + std::to_string(kMaxInterfaces) +
                                   " interface associations; skipped");
    }
    configuration_.associations.push_back(*descriptor);
  }

  void take_endpoint(const DescriptorView& view) {
    if (skipping_) return;
    if (setting_ == nullptr) {
      note(view.offset, "endpoint before the first interface");
      return keep_raw(view);
    }
    endpoint_ = nullptr;
    const auto descriptor = view.as<EndpointDescriptor>();
    if (!descriptor) {
      return note(view.offset,
                  "endpoint: bLength is " + std::to_string(view.bytes.size()) + ", not 7");
    }
    const auto name = "endpoint " + hex_text(descriptor->bEndpointAddress);
    if (setting_->endpoints.size() == kMaxEndpoints) {
      return note(view.offset, name + ": more than " + std::to_string(kMaxEndpoints) +
                                   " endpoints in one setting; skipped");
    }
    endpoint_ = &setting_->endpoints.emplace_back();
    endpoint_->descriptor = *descriptor;
    if (view.bytes.size() >= kAudioEndpointSize) {
      endpoint_->bRefresh = std::to_integer<std::uint8_t>(view.bytes[7]);
      endpoint_->bSynchAddress = std::to_integer<std::uint8_t>(view.bytes[8]);
      endpoint_->descriptor.bLength = kAudioEndpointSize;
    } else {
      endpoint_->descriptor.bLength = sizeof(EndpointDescriptor);
    }
    if (view.bytes.size() != endpoint_->descriptor.bLength) {
      note(view.offset, name + ": bLength is " + std::to_string(view.bytes.size()) + ", not 7");
    }
  }

  void take_companion(const DescriptorView& view) {
    if (skipping_) return;
    if (endpoint_ == nullptr || endpoint_->companion ||
        view.bytes.size() < sizeof(SsEndpointCompanionDescriptor)) {
      note(view.offset, endpoint_ == nullptr   ? "endpoint companion without an endpoint"
                        : endpoint_->companion ? "second companion of one endpoint"
                                               : "endpoint companion: too short");
      return keep_raw(view);
    }
    if (!endpoint_->extra.empty()) {
      note(view.offset, "endpoint companion does not follow its endpoint directly");
    }
    endpoint_->companion = read<SsEndpointCompanionDescriptor>(view, "endpoint companion");
  }

  void keep_raw(const DescriptorView& view) {
    if (skipping_) return;
    auto& extra = endpoint_ != nullptr  ? endpoint_->extra
                  : setting_ != nullptr ? setting_->extra
                                        : configuration_.extra;
    extra.push_back(view.raw());
  }

  static constexpr std::uint8_t kAudioEndpointSize = 9;

  Configuration& configuration_;
  std::vector<Finding>& findings_;
  // What the next descriptor belongs to. The pointers are set anew before their vectors grow.
  AlternateSetting* setting_ = nullptr;
  Endpoint* endpoint_ = nullptr;
  bool skipping_ = false;
};

/// How much of `bytes` is the block: what wTotalLength says, as far as that can be.
std::size_t block_size(const ConfigurationDescriptor& descriptor, Bytes bytes, Builder& builder) {
  const std::size_t total = descriptor.wTotalLength;
  if (total != bytes.size()) {
    builder.note(2, "wTotalLength is " + std::to_string(total) + " but there are " +
                        std::to_string(bytes.size()) + " bytes");
  }
  return std::clamp<std::size_t>(total, descriptor.bLength, bytes.size());
}

void check_counts(const Configuration& configuration, Builder& builder) {
  if (configuration.descriptor.bNumInterfaces != configuration.interfaces.size()) {
    builder.note(4, "bNumInterfaces is " + std::to_string(configuration.descriptor.bNumInterfaces) +
                        " but there are " + std::to_string(configuration.interfaces.size()));
  }
  for (const auto& interface : configuration.interfaces) {
    for (const auto& setting : interface.alternate_settings) {
      if (setting.descriptor.bNumEndpoints == setting.endpoints.size()) continue;
      builder.note(0, "interface " + std::to_string(interface.number) + " alternate setting " +
                          std::to_string(setting.descriptor.bAlternateSetting) +
                          ": bNumEndpoints is " + std::to_string(setting.descriptor.bNumEndpoints) +
                          " but there are " + std::to_string(setting.endpoints.size()));
    }
  }
}

void put_all(ByteWriter& out, const std::vector<RawDescriptor>& descriptors) {
  for (const auto& descriptor : descriptors) out.put_bytes(descriptor);
}

void put_endpoint(ByteWriter& out, const Endpoint& endpoint) {
  auto descriptor = endpoint.descriptor;
  const bool is_audio = descriptor.bLength == sizeof(EndpointDescriptor) + 2;
  if (!is_audio) descriptor.bLength = sizeof(EndpointDescriptor);
  out.put(descriptor);
  if (is_audio) {
    out.put(endpoint.bRefresh);
    out.put(endpoint.bSynchAddress);
  }
  if (endpoint.companion) out.put(*endpoint.companion);
  put_all(out, endpoint.extra);
}

void put_setting(ByteWriter& out, const AlternateSetting& setting) {
  auto descriptor = setting.descriptor;
  descriptor.bNumEndpoints = static_cast<std::uint8_t>(setting.endpoints.size());
  out.put(descriptor);
  put_all(out, setting.extra);
  for (const auto& endpoint : setting.endpoints) put_endpoint(out, endpoint);
}

/// An association stands directly before the first of its interfaces (Interface Association ECN),
/// one that names no interface before all of them.
void put_interfaces(ByteWriter& out, const Configuration& configuration) {
  for (const auto& association : configuration.associations) {
    if (configuration.interface(association.bFirstInterface) == nullptr) out.put(association);
  }
  for (const auto& interface : configuration.interfaces) {
    for (const auto& association : configuration.associations) {
      if (association.bFirstInterface == interface.number) out.put(association);
    }
    for (const auto& setting : interface.alternate_settings) put_setting(out, setting);
  }
}

}  // namespace

const AlternateSetting* Interface::alternate(std::uint8_t value) const {
  for (const auto& setting : alternate_settings) {
    if (setting.descriptor.bAlternateSetting == value) return &setting;
  }
  return nullptr;
}

const Interface* Configuration::interface(std::uint8_t number) const {
  const auto found = std::ranges::find(interfaces, number, &Interface::number);
  return found == interfaces.end() ? nullptr : &*found;
}

std::optional<ParsedConfiguration> parse_configuration(Bytes bytes) {
  const auto descriptor = read_as<ConfigurationDescriptor>(bytes);
  if (!descriptor || descriptor->bLength < sizeof(ConfigurationDescriptor) ||
      descriptor->bLength > bytes.size() ||
      descriptor->bDescriptorType != static_cast<std::uint8_t>(DescriptorType::Configuration)) {
    return std::nullopt;
  }
  ParsedConfiguration parsed;
  parsed.configuration.descriptor = *descriptor;
  parsed.configuration.descriptor.bLength = sizeof(ConfigurationDescriptor);
  Builder builder(parsed.configuration, parsed.findings);
  if (descriptor->bLength != sizeof(ConfigurationDescriptor)) {
    builder.note(0, "configuration: bLength is " + std::to_string(descriptor->bLength) + ", not 9");
  }
  DescriptorWalker walker(bytes.first(block_size(*descriptor, bytes, builder)),
                          descriptor->bLength);
  while (const auto view = walker.next()) builder.take(*view);
  if (walker.broken_at()) builder.note(walker.broken_at()->offset, walker.broken_at()->text);
  check_counts(parsed.configuration, builder);
  return parsed;
}

std::vector<std::byte> build_configuration(const Configuration& configuration) {
  ByteWriter out;
  out.put(configuration.descriptor);
  put_all(out, configuration.extra);
  put_interfaces(out, configuration);
  auto bytes = out.release();
  auto descriptor = configuration.descriptor;
  descriptor.bNumInterfaces = static_cast<std::uint8_t>(configuration.interfaces.size());
  descriptor.wTotalLength = static_cast<std::uint16_t>(std::min<std::size_t>(bytes.size(), 0xffff));
  std::ranges::copy(bytes_of(descriptor), bytes.begin());
  return bytes;
}

}  // namespace periprox::usb
