// A device that does nothing, at once: what is measured is the way to it.
#pragma once

#include <functional>
#include <vector>

#include "periprox/usb/device.hpp"

namespace periprox::bench {

/// Completes every URB inside submit(): IN with as many bytes as asked for (whatever the memory
/// holds), OUT with all of them. One that copies moves the data of bulk transfers from and to
/// memory of its own, once. Bulk endpoints 0x81 and 0x02.
class NullDevice final : public usb::Device {
 public:
  explicit NullDevice(bool copies = false);
  [[nodiscard]] const usb::DeviceModel& model() const override { return model_; }
  void submit(usb::Urb urb) override;
  void cancel(usb::UrbHandle /*urb*/) override {}
  [[nodiscard]] Payload allocate(std::uint32_t size) override { return payloads_.allocate(size); }
  void on_gone(std::function<void()> /*handler*/) override {}

 private:
  usb::DeviceModel model_;
  std::vector<std::byte> own_;  // Empty when it does not copy.
  PayloadPool payloads_;
};

}  // namespace periprox::bench
