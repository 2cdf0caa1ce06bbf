// Control requests that change the state that the kernel keeps about a device, so that they cannot
// just be sent: each has a call of usbfs that tells the device and the kernel together.
#pragma once

#include <cstdint>
#include <vector>

#include "periprox/physical/claim.hpp"
#include "periprox/physical/usbfs.hpp"
#include "periprox/usb/device_model.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/usb/status.hpp"

namespace periprox::physical {

enum class SpecialRequest : std::uint8_t {
  None,        ///< An ordinary request: goes to the device as it is.
  SetAddress,  ///< The kernel has given the device its address: answered here.
  SetInterface,
  SetConfiguration,
  PortReset,
};

[[nodiscard]] SpecialRequest classify_request(const usb::SetupPacket& setup);

/// True for CLEAR_FEATURE(ENDPOINT_HALT) of an endpoint other than 0, which has no halt that
/// outlives a request. Not special: it can be sent, but the kernel has to be told when it has
/// succeeded.
[[nodiscard]] bool clears_halt(const usb::SetupPacket& setup);

/// False for a request that names an endpoint, setting or configuration that the device does not
/// have: a device answers these with STALL, the kernel would with an error of its own.
[[nodiscard]] bool request_makes_sense(SpecialRequest request, const usb::SetupPacket& setup,
                                       const usb::DeviceModel& model);

/// The interfaces of a configuration; none for a value that the device does not have.
[[nodiscard]] std::vector<std::uint8_t> interfaces_of(const usb::DeviceModel& model,
                                                      std::uint8_t configuration_value);

/// How a special request ended; errno numbers, 0 for success.
struct RequestOutcome {
  int error = 0;
  int claim_error = 0;  ///< The request was done, but an interface could not be claimed again.
};

/// Does the request; blocks, up to seconds. Where the kernel drops the claims on the way, the
/// interfaces that the device has then are claimed again. `model` is as it was before the request.
[[nodiscard]] RequestOutcome perform_request(SpecialRequest request, const usb::SetupPacket& setup,
                                             const usb::DeviceModel& model, Usbfs& usbfs,
                                             Claim& claim);

/// Notes in the model what a request changed.
void note_request(SpecialRequest request, const usb::SetupPacket& setup,
                  const RequestOutcome& outcome, usb::DeviceModel& model);

}  // namespace periprox::physical
