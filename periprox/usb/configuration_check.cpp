// Chapter 9 as a list of questions: what a sound configuration never does at a given speed.
// USB 2.0, 5.5.3, 5.6.3, 5.7.3, 5.8.3 (packet sizes) and 9.6; USB 3.2, 9.6.3 to 9.6.7.
#include <algorithm>
#include <map>
#include <set>

#include "periprox/usb/configuration.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

constexpr std::uint32_t kMaxBurst = 15;
constexpr std::uint32_t kMaxMult = 2;
constexpr std::uint8_t kMaxIntervalExponent = 16;

bool is_periodic(TransferType type) {
  return type == TransferType::Isochronous || type == TransferType::Interrupt;
}

/// Collects findings about one thing, each with its name in front.
class Checker {
 public:
  Checker(std::string subject, std::vector<Finding>& findings)
      : subject_(std::move(subject)), findings_(findings) {}

  void expect(bool sound, std::string_view text) {
    if (sound || findings_.size() == kMaxFindings) return;
    findings_.push_back({0, subject_ + ": " + std::string(text)});
  }
  [[nodiscard]] Checker of(const std::string& subject) const {
    return {subject_ + " " + subject, findings_};
  }

 private:
  std::string subject_;
  std::vector<Finding>& findings_;
};

// --- Endpoints ---------------------------------------------------------------------------------

/// Whether `size` bytes in a packet are allowed for this kind of endpoint at this speed.
bool packet_size_allowed(TransferType type, Speed speed, std::uint32_t size) {
  const bool is_full_speed_size = size == 8 || size == 16 || size == 32 || size == 64;
  switch (type) {
    case TransferType::Control:
      if (is_super(speed)) return size == 512;
      if (uses_microframes(speed)) return size == 64;
      return speed == Speed::Low ? size == 8 : is_full_speed_size;
    case TransferType::Bulk:
      if (is_super(speed)) return size == 1024;
      return uses_microframes(speed) ? size == 512 : is_full_speed_size;
    case TransferType::Interrupt:
      if (uses_microframes(speed)) return size <= 1024;
      return size <= (speed == Speed::Low ? 8 : 64);
    case TransferType::Isochronous:
      return size <= (uses_microframes(speed) ? 1024 : 1023);
  }
  return false;
}

/// What packet_size_allowed() allows, in words.
std::string packet_sizes(TransferType type, Speed speed) {
  const bool fast = uses_microframes(speed);
  switch (type) {
    case TransferType::Control:
      if (is_super(speed)) return "512";
      if (fast) return "64";
      return speed == Speed::Low ? "8" : "8, 16, 32 or 64";
    case TransferType::Bulk:
      if (is_super(speed)) return "1024";
      return fast ? "512" : "8, 16, 32 or 64";
    case TransferType::Interrupt:
      if (fast) return "at most 1024";
      return speed == Speed::Low ? "at most 8" : "at most 64";
    case TransferType::Isochronous:
      return fast ? "at most 1024" : "at most 1023";
  }
  return "other";
}

void check_high_bandwidth(const Endpoint& endpoint, Speed speed, Checker& check) {
  const std::uint32_t value = endpoint.descriptor.wMaxPacketSize;
  const auto additional = (value >> 11) & 3;
  const auto size = endpoint.max_packet_size();
  check.expect(value >> 13 == 0, "wMaxPacketSize uses reserved bits");
  const bool may_have = speed == Speed::High && is_periodic(endpoint.type());
  check.expect(additional == 0 || may_have,
               "wMaxPacketSize asks for additional packets, which only a periodic high-speed "
               "endpoint may");
  if (!may_have) return;
  check.expect(additional != 3, "wMaxPacketSize asks for 4 packets in a microframe");
  // USB 2.0, table 9-14.
  check.expect(additional != 1 || size > 512, "wMaxPacketSize asks for 2 packets of too few bytes");
  check.expect(additional != 2 || size > 682, "wMaxPacketSize asks for 3 packets of too few bytes");
}

void check_interval(const Endpoint& endpoint, Speed speed, Checker& check) {
  if (!is_periodic(endpoint.type())) return;
  const auto interval = endpoint.descriptor.bInterval;
  check.expect(interval != 0, "bInterval is 0");
  const bool is_exponent = uses_microframes(speed) || endpoint.type() == TransferType::Isochronous;
  check.expect(!is_exponent || interval <= kMaxIntervalExponent,
               "bInterval is " + std::to_string(interval) + ", more than 16");
}

void check_companion(const Endpoint& endpoint, Speed speed, Checker& check) {
  if (!is_super(speed)) {
    return check.expect(!endpoint.companion, "has a companion below SuperSpeed");
  }
  if (!endpoint.companion) return check.expect(false, "has no SuperSpeed endpoint companion");
  const auto& companion = *endpoint.companion;
  const bool is_isochronous = endpoint.type() == TransferType::Isochronous;
  check.expect(companion.bMaxBurst <= kMaxBurst, "bMaxBurst is more than 15");
  check.expect(endpoint.type() != TransferType::Control || companion.bMaxBurst == 0,
               "a control endpoint has bursts");
  const bool has_mult = is_isochronous && (companion.bmAttributes & 0x80) == 0;
  check.expect(!has_mult || (companion.bmAttributes & 3U) <= kMaxMult, "Mult is more than 2");
  check.expect(!is_periodic(endpoint.type()) || companion.bMaxBurst == 0 ||
                   endpoint.max_packet_size() == 1024,
               "bursts need packets of 1024 bytes");
  if (is_periodic(endpoint.type())) {
    check.expect(companion.wBytesPerInterval <= endpoint.bytes_per_interval(speed) ||
                     (companion.bmAttributes & 0x80) != 0,
                 "wBytesPerInterval is more than its packets hold");
  } else {
    check.expect(companion.wBytesPerInterval == 0,
                 "wBytesPerInterval of an endpoint that is not periodic");
  }
}

void check_endpoint(const Endpoint& endpoint, Speed speed, Checker check) {
  const auto type = endpoint.type();
  check.expect(endpoint.address().number() != 0, "number 0 belongs to the device");
  check.expect((endpoint.descriptor.bEndpointAddress & 0x70) == 0,
               "bEndpointAddress uses reserved bits");
  const bool low_speed_type = type == TransferType::Control || type == TransferType::Interrupt;
  check.expect(speed != Speed::Low || low_speed_type,
               "a low-speed device has only control and interrupt endpoints");
  check.expect(packet_size_allowed(type, speed, endpoint.max_packet_size()),
               std::string(transfer_type_name(type)) + " at " + std::string(speed_name(speed)) +
                   " speed takes " + packet_sizes(type, speed) + " bytes, not " +
                   std::to_string(endpoint.max_packet_size()));
  check_high_bandwidth(endpoint, speed, check);
  check_interval(endpoint, speed, check);
  check_companion(endpoint, speed, check);
}

// --- Interfaces --------------------------------------------------------------------------------

void check_setting(const AlternateSetting& setting, Speed speed, Checker check) {
  std::set<std::uint8_t> seen;
  for (const auto& endpoint : setting.endpoints) {
    auto check_this = check.of("endpoint " + hex_text(endpoint.descriptor.bEndpointAddress));
    check_endpoint(endpoint, speed, check_this);
    const bool is_control = endpoint.type() == TransferType::Control;
    bool is_new = seen.insert(endpoint.address().value()).second;
    // A control endpoint takes its number in both directions.
    if (is_control) is_new = seen.insert(endpoint.address().value() ^ 0x80).second && is_new;
    check_this.expect(is_new, "the address is used twice in one setting");
    check_this.expect(setting.descriptor.bAlternateSetting != 0 ||
                          endpoint.type() != TransferType::Isochronous ||
                          endpoint.max_packet_size() == 0,
                      "the default setting reserves isochronous bandwidth");
  }
}

void check_interface(const Interface& interface, Speed speed, const Checker& check) {
  auto check_this = check.of("interface " + std::to_string(interface.number));
  check_this.expect(interface.alternate(0) != nullptr, "there is no alternate setting 0");
  for (const auto& setting : interface.alternate_settings) {
    check_setting(
        setting, speed,
        check_this.of("alternate setting " + std::to_string(setting.descriptor.bAlternateSetting)));
  }
}

/// The same endpoint address must not belong to two interfaces, whatever their settings.
void check_address_owners(const Configuration& configuration, const Checker& check) {
  std::map<std::uint8_t, std::uint8_t> owners;
  std::set<std::uint8_t> reported;
  for (const auto& interface : configuration.interfaces) {
    for (const auto& setting : interface.alternate_settings) {
      for (const auto& endpoint : setting.endpoints) {
        const auto address = endpoint.address().value();
        const auto [owner, is_new] = owners.emplace(address, interface.number);
        if (is_new || owner->second == interface.number || !reported.insert(address).second)
          continue;
        check.of("endpoint " + hex_text(address))
            .expect(false, "belongs to interface " + std::to_string(owner->second) +
                               " and to interface " + std::to_string(interface.number));
      }
    }
  }
}

// --- Configuration -----------------------------------------------------------------------------

void check_associations(const Configuration& configuration, const Checker& check) {
  std::set<unsigned> taken;
  for (const auto& association : configuration.associations) {
    auto check_this =
        check.of("association of interface " + std::to_string(association.bFirstInterface));
    check_this.expect(association.bInterfaceCount != 0, "bInterfaceCount is 0");
    bool all_there = true;
    bool none_taken = true;
    for (unsigned i = 0; i < association.bInterfaceCount; ++i) {
      const unsigned number = association.bFirstInterface + i;
      all_there = all_there && number <= 0xff &&
                  configuration.interface(static_cast<std::uint8_t>(number)) != nullptr;
      none_taken = taken.insert(number).second && none_taken;
    }
    check_this.expect(all_there, "names an interface that is not there");
    check_this.expect(none_taken, "shares an interface with another association");
  }
}

void check_header(const ConfigurationDescriptor& descriptor, Speed speed, Checker& check) {
  constexpr unsigned kMaxPower = 250;       // 500 mA in 2 mA
  constexpr unsigned kSuperMaxPower = 112;  // 896 mA in 8 mA
  check.expect(descriptor.bConfigurationValue != 0,
               "bConfigurationValue is 0, which means unconfigured");
  check.expect((descriptor.bmAttributes & 0x80) != 0, "bmAttributes bit 7 is not set");
  check.expect((descriptor.bmAttributes & 0x1f) == 0, "bmAttributes uses reserved bits");
  check.expect(descriptor.bMaxPower <= (is_super(speed) ? kSuperMaxPower : kMaxPower),
               "bMaxPower is more than a port gives");
}

}  // namespace

std::vector<Finding> check_configuration(const Configuration& configuration, Speed speed) {
  std::vector<Finding> findings;
  Checker check("configuration " + std::to_string(configuration.descriptor.bConfigurationValue),
                findings);
  check_header(configuration.descriptor, speed, check);
  unsigned expected_number = 0;
  for (const auto& interface : configuration.interfaces) {
    check.of("interface " + std::to_string(interface.number))
        .expect(interface.number == expected_number++,
                "interfaces are not numbered in order from 0");
    check_interface(interface, speed, check);
  }
  check_address_owners(configuration, check);
  check_associations(configuration, check);
  return findings;
}

}  // namespace periprox::usb
