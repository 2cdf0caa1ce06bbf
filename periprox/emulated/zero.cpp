#include "periprox/emulated/zero.hpp"

#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "periprox/emulated/emulated_device.hpp"
#include "periprox/emulated/loopback.hpp"
#include "periprox/emulated/test_pattern.hpp"

namespace periprox::emulated {
namespace {

constexpr usb::ClassCode kVendorSpecific{0xff, 0, 0};
// bConfigurationValue of zero.c.
constexpr std::uint8_t kLoopbackConfiguration = 2;
constexpr std::uint8_t kSourceSinkConfiguration = 3;
// The control requests of Intel's USB 2.0 compliance test device (f_sourcesink.c).
constexpr std::uint8_t kWriteBuffer = 0x5b;
constexpr std::uint8_t kReadBuffer = 0x5c;
// An isochronous packet is a transfer of its own and never longer than this.
constexpr std::uint16_t kLargestPacket = 1024;

constexpr std::array kSettings{
    SettingInfo{"speed", "high", "full, high, super or super-plus"},
    SettingInfo{"serial", "0123456789.0123456789.0123456789", "serial number"},
    SettingInfo{"pattern", "0",
                "data of source and sink: 0 zeros, 1 (i % wMaxPacketSize) % 63, 2 unchecked"},
    SettingInfo{"iso_packet", "1024",
                "bytes in an isochronous packet (at most 1023 at full speed)"},
    SettingInfo{"iso_interval_us", "1000", "period of the isochronous endpoints"},
    SettingInfo{"interrupt_packet", "1024",
                "bytes in an interrupt packet (at most 64 at full speed)"},
    SettingInfo{"interrupt_interval_us", "1000", "period of the interrupt endpoints"},
};

/// What the two control requests write and read: as large as wLength can say.
using ControlBuffer = std::vector<std::byte>;

bool is_plain(const usb::SetupPacket& setup) {
  return setup.recipient() == usb::Recipient::Device && setup.wValue == 0 && setup.wIndex == 0;
}

std::vector<Request> buffer_requests() {
  auto buffer = std::make_shared<ControlBuffer>(std::numeric_limits<std::uint16_t>::max());
  return {
      vendor_out(kWriteBuffer,
                 [buffer](ControlTransfer transfer) {
                   if (!is_plain(transfer.setup())) return transfer.stall();
                   const auto data = transfer.data();
                   std::copy(data.begin(), data.end(), buffer->begin());
                   transfer.accept();
                 }),
      vendor_in(kReadBuffer,
                [buffer](ControlTransfer transfer) {
                  if (!is_plain(transfer.setup())) return transfer.stall();
                  transfer.send(Bytes(*buffer).first(transfer.setup().wLength));
                }),
  };
}

/// The endpoints of the three alternate settings.
class SourceSink {
 public:
  explicit SourceSink(const ZeroOptions& options)
      : patterns_(std::make_shared<PatternSet>(options.pattern)),
        isochronous_(options.isochronous),
        interrupt_(options.interrupt) {}

  [[nodiscard]] std::vector<Endpoint> bulk() const {
    return {bulk_in(1, source()), bulk_out(1, sink())};
  }
  [[nodiscard]] std::vector<Endpoint> bulk_and_isochronous() const {
    auto endpoints = bulk();
    endpoints.push_back(iso_in(2, isochronous_, [patterns = patterns_](auto, MutableBytes room) {
      patterns->of(kLargestPacket).fill(room);
      return static_cast<std::uint32_t>(room.size());
    }));
    endpoints.push_back(iso_out(2, isochronous_, {}));
    return endpoints;
  }
  [[nodiscard]] std::vector<Endpoint> bulk_and_interrupt() const {
    auto endpoints = bulk();
    endpoints.push_back(interrupt_in(3, interrupt_, source()));
    endpoints.push_back(interrupt_out(3, interrupt_, sink()));
    return endpoints;
  }

 private:
  [[nodiscard]] InHandler source() const {
    return [patterns = patterns_](InTransfer transfer) {
      patterns->of(transfer.max_packet_size()).send(std::move(transfer));
    };
  }
  [[nodiscard]] OutHandler sink() const {
    return [patterns = patterns_](OutTransfer transfer) {
      if (patterns->of(transfer.max_packet_size()).matches(transfer.data())) {
        transfer.accept();
      } else {
        transfer.accept_then_halt();
      }
    };
  }

  std::shared_ptr<PatternSet> patterns_;
  Periodic isochronous_;
  Periodic interrupt_;
};

Configuration source_sink_configuration(const ZeroOptions& options) {
  const SourceSink parts(options);
  const std::string name = "source and sink data";
  return {
      .value = kSourceSinkConfiguration,
      .name = name,
      .max_power_ma = 2,
      .self_powered = true,
      .interfaces =
          {{.settings =
                {
                    {.class_code = kVendorSpecific, .endpoints = parts.bulk()},
                    {.class_code = kVendorSpecific, .endpoints = parts.bulk_and_isochronous()},
                    {.class_code = kVendorSpecific, .endpoints = parts.bulk_and_interrupt()},
                }}},
  };
}

Configuration loopback_configuration(const std::shared_ptr<Loopback>& loopback) {
  return {
      .value = kLoopbackConfiguration,
      .name = "loop input to output",
      .max_power_ma = 2,
      .self_powered = true,
      .interfaces =
          {{.settings = {{
                .class_code = kVendorSpecific,
                .endpoints =
                    {bulk_in(1, [loopback](InTransfer t) { loopback->give(std::move(t)); }),
                     bulk_out(1, [loopback](OutTransfer t) { loopback->take(std::move(t)); })},
            }}}},
  };
}

Result<std::unique_ptr<usb::Device>> create_zero(SettingsReader& settings, usb::Speed speed,
                                                 const Surroundings& surroundings) {
  constexpr std::int64_t kLongestIntervalUs = 4'096'000;  // 2^15 microframes
  const auto periodic = [&](std::string_view packet, std::string_view interval) {
    return Periodic{
        .max_packet_size = static_cast<std::uint16_t>(settings.integer(packet, 1, 1024)),
        .interval = std::chrono::microseconds(settings.integer(interval, 125, kLongestIntervalUs))};
  };
  ZeroOptions options;
  options.serial_number = settings.text("serial");
  options.pattern = static_cast<TestPattern>(settings.choice("pattern", {"0", "1", "2"}));
  options.isochronous = periodic("iso_packet", "iso_interval_us");
  options.interrupt = periodic("interrupt_packet", "interrupt_interval_us");
  if (settings.error()) return tl::make_unexpected(*settings.error());
  return EmulatedDevice::create(zero_declaration(options), speed, surroundings.timers);
}

}  // namespace

Declaration zero_declaration(const ZeroOptions& options) {
  auto loopback = std::make_shared<Loopback>();
  return {
      .idVendor = 0x0525,
      .idProduct = 0xa4a0,
      .class_code = kVendorSpecific,
      .manufacturer = "PeriProx",
      .product = "Gadget Zero",
      .serial_number = options.serial_number,
      .configurations = {source_sink_configuration(options), loopback_configuration(loopback)},
      .requests = buffer_requests(),
      .on_reset = [loopback] { loopback->clear(); },
      .on_configuration = [loopback](std::uint8_t) { loopback->clear(); },
  };
}

DeviceType zero_type() {
  return {.name = "zero",
          .summary = "gadget zero, the test device for Linux' usbtest module",
          .settings = kSettings,
          .make = WholeType{create_zero}};
}

}  // namespace periprox::emulated
