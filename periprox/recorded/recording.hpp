// What a capture has to say in the name of one device: its descriptors, its answers to requests,
// and what its endpoints brought and took, in order.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/recorded/traced_device.hpp"
#include "periprox/recorded/traced_transfer.hpp"
#include "periprox/usb/device_model.hpp"

namespace periprox::recorded {

/// One transfer of the recording, seen from the device.
struct RecordedStep {
  usb::SetupPacket setup;  ///< Control only.
  usb::Status status = usb::Status::Ok;
  std::vector<std::byte> data;  ///< What it brought, or what it was given.
  /// From when it was the device's turn to when it was done.
  Duration took{};
  /// When it happened: IN steps when they came, OUT steps when they were sent. Only compared.
  std::uint64_t order = 0;
};

struct RecordedPacket {
  std::vector<std::byte> data;
  usb::Status status = usb::Status::Ok;
};

/// A value; what a RecordedDevice plays.
struct Recording {
  usb::DeviceModel model;  ///< Configured, all interfaces in setting 0.
  usb::StringTable strings;
  std::vector<RecordedStep> requests;  ///< Control, in order.
  /// By EndpointAddress::index().
  std::array<std::vector<RecordedStep>, usb::kEndpointTableSize> steps;
  std::array<std::vector<RecordedPacket>, usb::kEndpointTableSize> packets;

  /// Adds a completed transfer of the device.
  void add(const TracedTransfer& transfer);

 private:
  std::array<std::uint64_t, usb::kEndpointTableSize> last_completed_{};
};

struct RecordingChoice {
  std::string device;  ///< "BUS.DEVICE"; empty when there is only one.
  std::optional<usb::Speed> speed;
};

/// Reads a device out of a capture. NotFound when the capture has no such device, or none whose
/// descriptors were read while it ran; Usage when there are several and none was chosen.
[[nodiscard]] Result<Recording> load_recording(const std::string& path,
                                               const RecordingChoice& choice = {});

}  // namespace periprox::recorded
