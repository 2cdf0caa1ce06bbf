#include "periprox/emulated/descriptor_set.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace periprox::emulated {
namespace {

using usb::Speed;
using usb::TransferType;

constexpr std::uint8_t kMaxPacketSize0Exponent = 9;  // 2^9 = 512 at SuperSpeed
constexpr int kMaxIntervalExponent = 16;
constexpr std::size_t kMaxStrings = 255;

// --- Strings -------------------------------------------------------------------------------------

/// Gives each text a string index, in order of appearance; 0 for no text.
class StringTable {
 public:
  std::uint8_t index_of(const std::string& text) {
    if (text.empty() || texts_.size() == kMaxStrings) return 0;
    texts_.push_back(text);
    return static_cast<std::uint8_t>(texts_.size());
  }

  /// All of them; index 0 lists English and the languages of `translations`.
  [[nodiscard]] std::vector<std::vector<std::byte>> build(
      const std::vector<Translation>& translations, const Translation* into = nullptr) const {
    std::vector<std::vector<std::byte>> strings;
    if (texts_.empty()) return strings;
    std::vector<std::uint16_t> languages{kLanguage};
    for (const auto& translation : translations) languages.push_back(translation.language);
    strings.push_back(usb::build_language_list(languages));
    for (const auto& text : texts_) {
      const auto translated = into != nullptr ? into->texts.find(text) : Texts::const_iterator{};
      const bool found = into != nullptr && translated != into->texts.end();
      strings.push_back(usb::build_string(found ? translated->second : text));
    }
    return strings;
  }

 private:
  using Texts = std::map<std::string, std::string>;
  std::vector<std::string> texts_;
};

// --- Endpoints -----------------------------------------------------------------------------------

std::uint16_t largest_packet(TransferType type, Speed speed) {
  if (type == TransferType::Bulk) {
    return usb::is_super(speed) ? 1024 : usb::uses_microframes(speed) ? 512 : 64;
  }
  if (usb::uses_microframes(speed)) return 1024;
  if (type == TransferType::Isochronous) return 1023;
  return speed == Speed::Low ? 8 : 64;
}

std::uint16_t packet_size(const Endpoint& endpoint, Speed speed) {
  const auto largest = largest_packet(endpoint.type, speed);
  if (endpoint.max_packet_size == 0) return largest;
  // Bulk packets have one size at most speeds; a wrong one is found by check_configuration().
  if (endpoint.type == TransferType::Bulk) return endpoint.max_packet_size;
  return std::min(endpoint.max_packet_size, largest);
}

/// bInterval for a period (USB 2.0, table 9-13): frames for interrupt endpoints at low and full
/// speed, otherwise an exponent of two, rounded so that the host asks at least as often.
std::uint8_t interval_field(const Endpoint& endpoint, Speed speed) {
  if (endpoint.type == TransferType::Bulk || endpoint.type == TransferType::Control) return 0;
  const Duration unit = usb::uses_microframes(speed) ? std::chrono::microseconds(125)
                                                     : std::chrono::microseconds(1000);
  const auto units = std::max<Duration::rep>(endpoint.interval / unit, 1);
  if (!usb::uses_microframes(speed) && endpoint.type == TransferType::Interrupt) {
    return static_cast<std::uint8_t>(std::min<Duration::rep>(units, 255));
  }
  const int exponent = std::bit_width(static_cast<std::uint64_t>(units));
  return static_cast<std::uint8_t>(std::min(exponent, kMaxIntervalExponent));
}

usb::SsEndpointCompanionDescriptor companion(const Endpoint& endpoint, std::uint16_t packet) {
  usb::SsEndpointCompanionDescriptor companion;
  companion.bMaxBurst = static_cast<std::uint8_t>(std::max<int>(endpoint.packets, 1) - 1);
  if (endpoint.type != TransferType::Bulk) {
    companion.wBytesPerInterval = static_cast<std::uint16_t>(packet * (companion.bMaxBurst + 1));
  }
  return companion;
}

usb::Endpoint derive_endpoint(const Endpoint& endpoint, Speed speed) {
  usb::Endpoint derived;
  const auto packet = packet_size(endpoint, speed);
  derived.descriptor.bEndpointAddress = endpoint.address.value();
  derived.descriptor.bmAttributes = static_cast<std::uint8_t>(static_cast<unsigned>(endpoint.type) |
                                                              (endpoint.sync_and_usage & 0x3cU));
  derived.descriptor.wMaxPacketSize = packet;
  derived.descriptor.bInterval = interval_field(endpoint, speed);
  const bool periodic = endpoint.type != TransferType::Bulk;
  if (speed == Speed::High && periodic && endpoint.packets > 1) {
    derived.descriptor.wMaxPacketSize =
        static_cast<std::uint16_t>(packet | (endpoint.packets - 1) << 11);
  }
  if (usb::is_super(speed)) derived.companion = companion(endpoint, packet);
  if (endpoint.audio) {
    derived.descriptor.bLength = sizeof(usb::EndpointDescriptor) + sizeof(AudioEndpoint);
    derived.bRefresh = endpoint.audio->bRefresh;
    derived.bSynchAddress = endpoint.audio->bSynchAddress;
  }
  derived.extra = endpoint.descriptors;
  return derived;
}

// --- Configurations ------------------------------------------------------------------------------

usb::AlternateSetting derive_setting(const AlternateSetting& setting, std::uint8_t interface_number,
                                     std::uint8_t value, Speed speed, StringTable& strings) {
  usb::AlternateSetting derived;
  auto& descriptor = derived.descriptor;
  descriptor.bInterfaceNumber = interface_number;
  descriptor.bAlternateSetting = value;
  descriptor.bNumEndpoints = static_cast<std::uint8_t>(setting.endpoints.size());
  descriptor.bInterfaceClass = setting.class_code.code;
  descriptor.bInterfaceSubClass = setting.class_code.subclass;
  descriptor.bInterfaceProtocol = setting.class_code.protocol;
  descriptor.iInterface = strings.index_of(setting.name);
  derived.extra = setting.descriptors;
  for (const auto& string : setting.descriptor_strings) {
    derived.extra.at(string.descriptor).at(string.offset) =
        static_cast<std::byte>(strings.index_of(string.text));
  }
  for (const auto& endpoint : setting.endpoints) {
    derived.endpoints.push_back(derive_endpoint(endpoint, speed));
  }
  return derived;
}

usb::InterfaceAssociationDescriptor derive_association(const Association& association,
                                                       StringTable& strings) {
  return {.bFirstInterface = association.first_interface,
          .bInterfaceCount = association.interface_count,
          .bFunctionClass = association.class_code.code,
          .bFunctionSubClass = association.class_code.subclass,
          .bFunctionProtocol = association.class_code.protocol,
          .iFunction = strings.index_of(association.name)};
}

usb::Configuration derive_configuration(const Configuration& configuration, std::size_t place,
                                        Speed speed, StringTable& strings) {
  usb::Configuration derived;
  auto& descriptor = derived.descriptor;
  descriptor.bConfigurationValue =
      configuration.value != 0 ? configuration.value : static_cast<std::uint8_t>(place + 1);
  descriptor.iConfiguration = strings.index_of(configuration.name);
  descriptor.bmAttributes =
      static_cast<std::uint8_t>(0x80U | (configuration.self_powered ? 0x40U : 0U) |
                                (configuration.remote_wakeup ? 0x20U : 0U));
  const int unit_ma = usb::is_super(speed) ? 8 : 2;
  descriptor.bMaxPower = static_cast<std::uint8_t>(
      std::min((configuration.max_power_ma + unit_ma - 1) / unit_ma, 255));
  descriptor.bNumInterfaces = static_cast<std::uint8_t>(configuration.interfaces.size());
  for (const auto& association : configuration.associations) {
    derived.associations.push_back(derive_association(association, strings));
  }
  for (std::size_t i = 0; i < configuration.interfaces.size(); ++i) {
    usb::Interface interface;
    interface.number = static_cast<std::uint8_t>(i);
    const auto& settings = configuration.interfaces[i].settings;
    for (std::size_t j = 0; j < settings.size(); ++j) {
      interface.alternate_settings.push_back(derive_setting(
          settings[j], interface.number, static_cast<std::uint8_t>(j), speed, strings));
    }
    derived.interfaces.push_back(std::move(interface));
  }
  return derived;
}

// --- Device --------------------------------------------------------------------------------------

bool has_speed(const Declaration& declaration, Speed speed) {
  return std::ranges::find(declaration.speeds, speed) != declaration.speeds.end();
}

std::uint16_t usb_version(const Declaration& declaration, Speed speed) {
  if (speed == Speed::SuperPlus) return 0x0310;
  if (speed == Speed::Super) return 0x0300;
  if (declaration.bcdUSB != 0) return declaration.bcdUSB;
  // Linux asks for the BOS from 2.01 on (usb_get_bos_descriptor); 2.10 is what such devices say.
  return declaration.bos_capabilities.empty() ? 0x0200 : 0x0210;
}

std::uint8_t control_packet_size(const Declaration& declaration, Speed speed) {
  if (usb::is_super(speed)) return kMaxPacketSize0Exponent;
  if (speed == Speed::Low) return 8;
  if (speed == Speed::Full && declaration.max_packet_size0 != 0)
    return declaration.max_packet_size0;
  return 64;
}

usb::DeviceDescriptor derive_device(const Declaration& declaration, Speed speed,
                                    StringTable& strings) {
  usb::DeviceDescriptor device;
  device.bcdUSB = usb_version(declaration, speed);
  device.bDeviceClass = declaration.class_code.code;
  device.bDeviceSubClass = declaration.class_code.subclass;
  device.bDeviceProtocol = declaration.class_code.protocol;
  device.bMaxPacketSize0 = control_packet_size(declaration, speed);
  device.idVendor = declaration.idVendor;
  device.idProduct = declaration.idProduct;
  device.bcdDevice = declaration.bcdDevice;
  device.iManufacturer = strings.index_of(declaration.manufacturer);
  device.iProduct = strings.index_of(declaration.product);
  device.iSerialNumber = strings.index_of(declaration.serial_number);
  device.bNumConfigurations = static_cast<std::uint8_t>(declaration.configurations.size());
  return device;
}

/// Full speed for a device that runs at high speed and the reverse, when it can do both.
std::optional<Speed> other_speed(const Declaration& declaration, Speed speed) {
  if (speed != Speed::Full && speed != Speed::High) return std::nullopt;
  const auto other = speed == Speed::Full ? Speed::High : Speed::Full;
  return has_speed(declaration, other) ? std::optional(other) : std::nullopt;
}

usb::DeviceQualifierDescriptor derive_qualifier(const Declaration& declaration, Speed other) {
  usb::DeviceQualifierDescriptor qualifier;
  qualifier.bcdUSB = usb_version(declaration, other);
  qualifier.bDeviceClass = declaration.class_code.code;
  qualifier.bDeviceSubClass = declaration.class_code.subclass;
  qualifier.bDeviceProtocol = declaration.class_code.protocol;
  qualifier.bMaxPacketSize0 = control_packet_size(declaration, other);
  qualifier.bNumConfigurations = static_cast<std::uint8_t>(declaration.configurations.size());
  return qualifier;
}

// --- BOS -----------------------------------------------------------------------------------------

/// USB 2.0 EXTENSION, 9.6.2.1, with no bit set: no link power management.
usb::RawDescriptor usb2_extension() { return raw_bytes({7, 0x10, 0x02, 0, 0, 0, 0}); }

/// SUPERSPEED_USB, 9.6.2.2. Exit latencies of 0 tell the host to leave U1 and U2 alone.
usb::RawDescriptor superspeed_capability(const Declaration& declaration) {
  int speeds = 0;
  int slowest = 3;
  const std::pair<Speed, int> bits[] = {
      {Speed::Super, 3}, {Speed::High, 2}, {Speed::Full, 1}, {Speed::Low, 0}};
  for (const auto& [speed, bit] : bits) {
    if (!has_speed(declaration, speed)) continue;
    speeds |= 1 << bit;
    slowest = bit;
  }
  return raw_bytes({10, 0x10, 0x03, 0, speeds | 1 << 3, 0, slowest, 0, 0, 0});
}

/// SUPERSPEED_PLUS, 9.6.2.5: one symmetric sublink of 10 Gb/s, one lane each way.
usb::RawDescriptor superspeed_plus_capability() {
  return raw_bytes({20,   0x10, 0x0a, 0,       //
                    0x01, 0,    0,    0,       // two sublink attributes, one speed id
                    0x00, 0x11, 0,    0,       // speed id 0; 1 lane in, 1 lane out
                    0x30, 0x40, 0x0a, 0x00,    // receive: 10 Gb/s, SuperSpeedPlus
                    0xb0, 0x40, 0x0a, 0x00});  // transmit: the same
}

std::vector<std::byte> derive_bos(const Declaration& declaration, Speed speed) {
  usb::Bos bos;
  if (usb::is_super(speed) || !declaration.bos_capabilities.empty()) {
    bos.capabilities.push_back(usb2_extension());
  }
  if (usb::is_super(speed)) bos.capabilities.push_back(superspeed_capability(declaration));
  if (speed == Speed::SuperPlus) bos.capabilities.push_back(superspeed_plus_capability());
  for (const auto& capability : declaration.bos_capabilities)
    bos.capabilities.push_back(capability);
  if (bos.capabilities.empty()) return {};
  bos.descriptor.bNumDeviceCaps = static_cast<std::uint8_t>(bos.capabilities.size());
  return usb::build_bos(bos);
}

// --- Checks --------------------------------------------------------------------------------------

std::string speed_list(const std::vector<Speed>& speeds) {
  std::string text;
  for (const auto speed : speeds) {
    if (!text.empty()) text += ", ";
    text += usb::speed_name(speed);
  }
  return text;
}

bool needs_more_than_low_speed(const Declaration& declaration) {
  for (const auto& configuration : declaration.configurations) {
    for (const auto& interface : configuration.interfaces) {
      for (const auto& setting : interface.settings) {
        for (const auto& endpoint : setting.endpoints) {
          if (endpoint.type != TransferType::Interrupt) return true;
        }
      }
    }
  }
  return false;
}

std::string what_failed(const Declaration& declaration, Speed speed) {
  const auto name = declaration.product.empty() ? "the device" : "'" + declaration.product + "'";
  return "cannot emulate " + name + " at " + std::string(usb::speed_name(speed)) + " speed";
}

tl::unexpected<Error> refuse(const Declaration& declaration, Speed speed, std::string why,
                             std::string hint = {}) {
  return fail(Error::Kind::Usage, what_failed(declaration, speed), std::move(why), std::move(hint));
}

/// Every finding of every configuration in one sentence; empty when all is well.
std::string findings_text(const std::vector<usb::Configuration>& configurations, Speed speed) {
  std::string text;
  for (const auto& configuration : configurations) {
    for (const auto& finding : usb::check_configuration(configuration, speed)) {
      if (!text.empty()) text += "; ";
      text += finding.text;
    }
  }
  return text;
}

std::vector<usb::Configuration> derive_configurations(const Declaration& declaration, Speed speed,
                                                      StringTable& strings) {
  std::vector<usb::Configuration> derived;
  for (std::size_t i = 0; i < declaration.configurations.size(); ++i) {
    derived.push_back(derive_configuration(declaration.configurations[i], i, speed, strings));
  }
  return derived;
}

std::vector<std::vector<std::byte>> build_blocks(
    const std::vector<usb::Configuration>& configurations, usb::DescriptorType type) {
  std::vector<std::vector<std::byte>> blocks;
  for (const auto& configuration : configurations) {
    blocks.push_back(usb::build_configuration(configuration));
    blocks.back()[1] = static_cast<std::byte>(type);
  }
  return blocks;
}

}  // namespace

Result<DescriptorSet> derive_descriptors(const Declaration& declaration, Speed speed) {
  if (speed == Speed::Low && needs_more_than_low_speed(declaration)) {
    return refuse(declaration, speed,
                  "low speed has no bulk and no isochronous endpoints (USB 2.0, 5.6 and 5.8)",
                  "choose one of: " + speed_list(declaration.speeds));
  }
  if (!has_speed(declaration, speed)) {
    return refuse(declaration, speed, "it does not run at this speed",
                  "choose one of: " + speed_list(declaration.speeds));
  }
  if (declaration.configurations.empty() || declaration.configurations.size() > 255) {
    return refuse(declaration, speed, "a device has 1 to 255 configurations");
  }
  if (declaration.translations.size() >= kMaxLanguages) {
    return refuse(declaration, speed, "its strings are in more than 126 languages");
  }

  DescriptorSet set;
  StringTable strings;
  set.device = derive_device(declaration, speed, strings);
  set.configurations = derive_configurations(declaration, speed, strings);
  if (auto text = findings_text(set.configurations, speed); !text.empty()) {
    return refuse(declaration, speed, std::move(text));
  }
  set.strings = strings.build(declaration.translations);
  for (const auto& translation : declaration.translations) {
    set.translated[translation.language] = strings.build(declaration.translations, &translation);
  }
  set.configuration_blocks = build_blocks(set.configurations, usb::DescriptorType::Configuration);
  for (std::size_t i = 0; i < set.configurations.size(); ++i) {
    // The model says what the device sends.
    set.configurations[i].descriptor.wTotalLength =
        static_cast<std::uint16_t>(set.configuration_blocks[i].size());
  }
  if (const auto other = other_speed(declaration, speed)) {
    // The same texts in the same order get the same indices again.
    StringTable other_strings;
    (void)derive_device(declaration, *other, other_strings);
    set.qualifier = derive_qualifier(declaration, *other);
    set.other_speed_blocks = build_blocks(derive_configurations(declaration, *other, other_strings),
                                          usb::DescriptorType::OtherSpeedConfiguration);
  }
  set.bos = derive_bos(declaration, speed);
  return set;
}

}  // namespace periprox::emulated
