#include "periprox/emulated/vendor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "periprox/emulated/emulated_device.hpp"

namespace periprox::emulated {
namespace {

constexpr std::size_t kMostWaiting =
    1024;  // Transfers for one endpoint that the host did not take.

constexpr std::array kSettings{
    SettingInfo{"speed", "full", "low, full, high, super or super-plus"},
    SettingInfo{"serial", "", "serial number; else the file's"},
    SettingInfo{"file", "", "the text file that describes the device; required to do anything"},
};

/// Follows the rules of a script.
class VendorDevice : public std::enable_shared_from_this<VendorDevice> {
 public:
  VendorDevice(VendorScript script, Timers& timers) : script_(std::move(script)), timers_(timers) {}
  ~VendorDevice() {
    for (const auto& [rule, timer] : running_) timers_.cancel(timer);
  }
  VendorDevice(const VendorDevice&) = delete;
  VendorDevice& operator=(const VendorDevice&) = delete;

  void control(ControlTransfer transfer) {
    const auto& setup = transfer.setup();
    for (const auto& rule : script_.rules) {
      const auto* match = std::get_if<ControlMatch>(&rule.when);
      if (match == nullptr || match->bmRequestType != setup.bmRequestType ||
          match->bRequest != setup.bRequest || (match->wValue && *match->wValue != setup.wValue) ||
          (match->wIndex && *match->wIndex != setup.wIndex)) {
        continue;
      }
      return follow(rule, std::move(transfer));
    }
    transfer.stall();
  }

  void out(usb::EndpointAddress endpoint, OutTransfer transfer) {
    const auto data = transfer.data();
    for (const auto& rule : script_.rules) {
      const auto* match = std::get_if<OutMatch>(&rule.when);
      if (match == nullptr || match->endpoint != endpoint || match->begin.size() > data.size() ||
          !std::equal(match->begin.begin(), match->begin.end(), data.begin())) {
        continue;
      }
      return follow(rule, std::move(transfer));
    }
    transfer.accept();
  }

  void in(usb::EndpointAddress endpoint, InTransfer transfer) {
    start_timers();
    auto& line = lines_[endpoint.value()];
    line.asked = std::move(transfer);
    send_next(line);
  }

  void reset() { lines_.clear(); }

 private:
  struct Waiting {
    InTransfer asked;
    std::deque<std::vector<std::byte>> transfers;
  };

  /// Sends first and answers last: the answer may bring in the host's next transfer.
  template <typename Transfer>
  void follow(const VendorRule& rule, Transfer transfer) {
    const auto self = shared_from_this();
    const std::vector<std::byte> data(transfer.data().begin(), transfer.data().end());
    const VendorAction* answer = nullptr;
    for (const auto& action : rule.actions) {
      if (action.kind == VendorAction::Kind::Send) {
        send(action.endpoint, action.bytes);
      } else if (action.kind == VendorAction::Kind::Echo) {
        send(action.endpoint, data);
      } else {
        answer = &action;
      }
    }
    if (answer != nullptr && answer->kind == VendorAction::Kind::Stall) return transfer.stall();
    if constexpr (std::is_same_v<Transfer, ControlTransfer>) {
      if (answer != nullptr && answer->kind == VendorAction::Kind::Answer) {
        return transfer.send(answer->bytes);
      }
    }
    transfer.accept();
  }

  void send(usb::EndpointAddress endpoint, std::vector<std::byte> bytes) {
    auto& line = lines_[endpoint.value()];
    if (line.transfers.size() < kMostWaiting) line.transfers.push_back(std::move(bytes));
    send_next(line);
  }

  void send_next(Waiting& line) {
    if (line.transfers.empty() || !line.asked.pending()) return;
    const auto bytes = std::move(line.transfers.front());
    line.transfers.pop_front();
    auto transfer = std::move(line.asked);
    transfer.send(bytes);
  }

  /// What happens by itself begins when a host first asks for something.
  void start_timers() {
    if (started_) return;
    started_ = true;
    for (std::size_t i = 0; i < script_.rules.size(); ++i) {
      const auto* every = std::get_if<EveryMatch>(&script_.rules[i].when);
      if (every != nullptr) wait(i, timers_.now() + every->period);
    }
  }

  void wait(std::size_t rule, TimePoint due) {
    running_[rule] = timers_.call_at(due, [weak = weak_from_this(), rule, due] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      const auto period = std::get<EveryMatch>(self->script_.rules[rule].when).period;
      const auto late = self->timers_.now() - due;
      self->wait(rule, due + period * (late / period + 1));
      for (const auto& action : self->script_.rules[rule].actions) {
        // A value that the host did not fetch is not repeated.
        if (self->lines_[action.endpoint.value()].transfers.empty()) {
          self->send(action.endpoint, action.bytes);
        }
      }
    });
  }

  const VendorScript script_;
  Timers& timers_;
  std::map<std::uint8_t, Waiting> lines_;
  std::map<std::size_t, TimerId> running_;
  bool started_ = false;
};

Result<std::unique_ptr<usb::Device>> create_vendor(SettingsReader& settings, usb::Speed speed,
                                                   const Surroundings& surroundings) {
  const std::string path(settings.text("file"));
  std::string text;
  if (!path.empty()) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return tl::make_unexpected(errno_error(errno, "cannot read the device in " + path));
    text.resize(kMaxVendorScript + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
  }
  auto script = parse_vendor_script(text, path);
  if (!script) return forward_error(script);
  if (settings.is_given("serial")) script->serial_number = settings.text("serial");
  return EmulatedDevice::create(vendor_declaration(std::move(*script), surroundings.timers), speed,
                                surroundings.timers);
}

}  // namespace

Declaration vendor_declaration(VendorScript script, Timers& timers) {
  Declaration declaration{.idVendor = script.idVendor,
                          .idProduct = script.idProduct,
                          .manufacturer = script.manufacturer,
                          .product = script.product,
                          .serial_number = script.serial_number,
                          .speeds = {usb::Speed::Low, usb::Speed::Full, usb::Speed::High,
                                     usb::Speed::Super, usb::Speed::SuperPlus}};
  AlternateSetting setting{.class_code = script.class_code};
  const auto endpoints = script.endpoints;
  const auto rules = script.rules;
  const auto device = std::make_shared<VendorDevice>(std::move(script), timers);
  for (const auto& each : endpoints) {
    Endpoint endpoint{.address = each.address,
                      .type = each.type,
                      .max_packet_size = each.max_packet_size,
                      .interval = each.interval};
    if (each.address.is_in()) {
      endpoint.handler = InHandler(
          [device, address = each.address](InTransfer t) { device->in(address, std::move(t)); });
    } else {
      endpoint.handler = OutHandler(
          [device, address = each.address](OutTransfer t) { device->out(address, std::move(t)); });
    }
    setting.endpoints.push_back(std::move(endpoint));
  }
  std::map<std::pair<std::uint8_t, std::uint8_t>, bool> known;
  for (const auto& rule : rules) {
    const auto* match = std::get_if<ControlMatch>(&rule.when);
    if (match == nullptr) continue;
    // The engine tells requests apart by type, direction and number, the rules by the rest.
    const usb::SetupPacket setup{match->bmRequestType, match->bRequest, 0, 0, 0};
    const auto key =
        std::pair(static_cast<std::uint8_t>(match->bmRequestType & 0xe0), match->bRequest);
    if (!known.emplace(key, true).second) continue;
    declaration.requests.push_back(
        {.type = setup.type(),
         .direction = setup.direction(),
         .bRequest = match->bRequest,
         .handler = [device](ControlTransfer t) { device->control(std::move(t)); }});
  }
  declaration.configurations = {{.interfaces = {{.settings = {std::move(setting)}}}}};
  declaration.on_reset = [device] { device->reset(); };
  return declaration;
}

DeviceType vendor_type() {
  return {.name = "vendor",
          .summary = "a device described by a text file",
          .settings = kSettings,
          .make = WholeType{create_vendor}};
}

}  // namespace periprox::emulated
