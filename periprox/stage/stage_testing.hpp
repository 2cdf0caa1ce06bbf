// What the tests of stages share: a device that keeps URBs until it is told to complete them, and a
// reader of what a stage captured. Only for test programs.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "periprox/stage/capture_buffer.hpp"
#include "periprox/usb/configuration.hpp"
#include "periprox/usb/device.hpp"
#include "periprox/wire/capture_reader.hpp"

namespace periprox::stage::testing {

/// A configured device with an interrupt IN endpoint 0x81 and bulk endpoints 0x82 and 0x02.
inline usb::DeviceModel test_model() {
  using usb::EndpointDescriptor;
  usb::AlternateSetting setting;
  setting.descriptor.bInterfaceClass = 0xff;
  setting.descriptor.bNumEndpoints = 3;
  const auto add = [&](std::uint8_t address, std::uint8_t type, std::uint16_t size) {
    EndpointDescriptor descriptor;
    descriptor.bEndpointAddress = address;
    descriptor.bmAttributes = type;
    descriptor.wMaxPacketSize = size;
    descriptor.bInterval = type == 3 ? 4 : 0;
    setting.endpoints.push_back({.descriptor = descriptor});
  };
  add(0x81, 3, 8);
  add(0x82, 2, 512);
  add(0x02, 2, 512);
  usb::Configuration configuration;
  configuration.descriptor.bConfigurationValue = 1;
  configuration.interfaces.push_back({.number = 0, .alternate_settings = {setting}});
  usb::DeviceDescriptor descriptor;
  descriptor.idVendor = 0x1209;
  descriptor.idProduct = 0x0001;
  descriptor.iProduct = 2;
  descriptor.bNumConfigurations = 1;
  usb::DeviceModel model(usb::Speed::High, descriptor, {configuration});
  model.product = "Held";
  model.set_configuration(1);
  return model;
}

/// Completes what complete_next() tells it to, in order; everything as Cancelled when it is
/// cancelled, and as DeviceGone when it is destroyed.
class HeldDevice final : public usb::Device {
 public:
  ~HeldDevice() override { unplug(); }
  [[nodiscard]] const usb::DeviceModel& model() const override { return model_; }
  void submit(usb::Urb urb) override {
    if (gone) {
      urb.complete(usb::Status::DeviceGone, 0);
      return;
    }
    held.push_back(std::move(urb));
  }
  void cancel(usb::UrbHandle urb) override {
    const auto found = std::ranges::find(held, urb, &usb::Urb::handle);
    if (found == held.end()) return;
    auto cancelled = std::move(*found);
    held.erase(found);
    cancelled.complete(usb::Status::Cancelled, 0);
  }
  [[nodiscard]] Payload allocate(std::uint32_t size) override { return pool_.allocate(size); }
  void on_gone(std::function<void()> handler) override { gone_handler_ = std::move(handler); }

  /// Completes the oldest: IN with `data`, OUT with all it has.
  void complete_next(std::string_view data = {}, usb::Status status = usb::Status::Ok) {
    auto urb = std::move(held.front());
    held.erase(held.begin());
    if (urb->is_in()) {
      urb->payload = pool_.allocate(urb->length);
      std::memcpy(urb->payload.data(), data.data(), data.size());
      urb.complete(status, static_cast<std::uint32_t>(data.size()));
    } else {
      const auto length = urb->length;
      urb.complete(status, length);
    }
  }
  void unplug() {
    gone = true;
    while (!held.empty()) {
      auto urb = std::move(held.front());
      held.erase(held.begin());
      urb.complete(usb::Status::DeviceGone, 0);
    }
    if (const auto call = std::exchange(gone_handler_, {})) call();
  }

  std::vector<usb::Urb> held;
  bool gone = false;

 private:
  usb::DeviceModel model_ = test_model();
  PayloadPool pool_;
  std::function<void()> gone_handler_;
};

/// One record of a capture, with its own memory.
struct SeenRecord {
  wire::UsbRecord record;  ///< Its views are stale.
  std::string data;
  std::vector<std::string> comments;
  std::uint64_t time = 0;
  std::uint64_t dropped = 0;
};

/// Takes a capture apart; false `valid` for one that is malformed or cut.
struct SeenCapture {
  explicit SeenCapture(Bytes file) {
    wire::CaptureReader reader;
    while (true) {
      const auto packet = reader.next();
      if (!packet) return;
      if (*packet) {
        keep(**packet);
      } else if (file.empty()) {
        break;
      } else {
        const auto room = reader.room();
        const auto count = std::min(room.size(), file.size());
        std::memcpy(room.data(), file.data(), count);
        reader.filled(count);
        file = file.subspan(count);
      }
    }
    valid = reader.at_boundary();
    interfaces = reader.interfaces();
    dropped = reader.dropped();
  }
  void keep(const wire::CapturedPacket& packet) {
    if (!packet.usb) return;
    SeenRecord seen{.record = *packet.usb, .time = packet.time, .dropped = packet.dropped};
    seen.data.assign(reinterpret_cast<const char*>(packet.usb->data.data()),
                     packet.usb->data.size());
    for (const auto comment : packet.comments) seen.comments.emplace_back(comment);
    const bool is_known = std::ranges::any_of(seen.comments, [](const auto& comment) {
      return comment.find("known before") != comment.npos;
    });
    (is_known ? known : records).push_back(std::move(seen));
  }

  bool valid = false;
  std::vector<wire::pcapng::InterfaceInfo> interfaces;
  std::vector<SeenRecord> known;    ///< Synthesised.
  std::vector<SeenRecord> records;  ///< The others.
  std::uint64_t dropped = 0;
};

/// The capture that a buffer holds, read until nothing is left.
inline std::vector<std::byte> drain(CaptureBuffer& buffer) {
  auto file = wire::pcapng::encode_section("test");
  const auto append = [&](Bytes more) { file.insert(file.end(), more.begin(), more.end()); };
  append(buffer.heads(0));
  for (auto blocks = buffer.front(); !blocks.empty(); blocks = buffer.front()) {
    append(blocks);
    buffer.consume(blocks.size());
  }
  append(buffer.statistics(0));
  return file;
}

}  // namespace periprox::stage::testing
