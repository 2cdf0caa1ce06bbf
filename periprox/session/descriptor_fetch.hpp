// Reads all descriptors of a device by control transfers: what a host does when one is plugged in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/usb/device.hpp"
#include "periprox/usb/device_model.hpp"

namespace periprox::session {

/// Reads descriptors one after another, asynchronously. What a device must have (device and
/// configuration descriptors) fails the fetch; what it may lack (strings, BOS) is left empty.
/// The device outlives it; at most one URB is under way.
class DescriptorFetch final : private usb::CompletionSink {
 public:
  using Done = std::function<void(Result<usb::DeviceModel>)>;

  /// `active_configuration`: bConfigurationValue if it is known already, else the device is asked.
  DescriptorFetch(usb::Device& device, usb::Speed speed,
                  std::optional<std::uint8_t> active_configuration);
  ~DescriptorFetch();

  /// Starts; `done` is called once, possibly at once, and may not destroy the fetch.
  void start(Done done);
  /// Stops waiting: answers with what was read if that is enough, else with an error.
  void give_up();

 private:
  using Step = void (DescriptorFetch::*)(usb::Status, Bytes);

  void ask(const usb::SetupPacket& setup, Step next);
  void ask_string(std::uint8_t index, Step next);
  void on_completed(usb::Urb urb, std::uint64_t cookie) override;
  void got_device(usb::Status status, Bytes data);
  void next_configuration();
  void got_configuration_head(usb::Status status, Bytes data);
  void got_configuration(usb::Status status, Bytes data);
  void got_active(usb::Status status, Bytes data);
  void mandatory_done();
  void got_bos_head(usb::Status status, Bytes data);
  void got_bos(usb::Status status, Bytes data);
  void ask_languages();
  void got_languages(usb::Status status, Bytes data);
  void got_manufacturer(usb::Status status, Bytes data);
  void got_product(usb::Status status, Bytes data);
  void got_serial(usb::Status status, Bytes data);
  void fail_with(const char* what, usb::Status status);
  void finish();

  usb::Device& device_;
  usb::Speed speed_;
  std::optional<std::uint8_t> active_;
  Done done_;
  Step next_ = nullptr;
  usb::UrbHandle under_way_;
  usb::DeviceDescriptor descriptor_;
  std::vector<usb::Configuration> configurations_;
  std::uint8_t configuration_index_ = 0;
  std::optional<usb::DeviceModel> model_;  // Set once the mandatory part is there.
  std::uint16_t language_ = 0;
};

}  // namespace periprox::session
