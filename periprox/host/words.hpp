// What a person is told when a transfer cannot be made or did not work.
#pragma once

#include <string>

#include "periprox/base/result.hpp"
#include "periprox/usb/device_model.hpp"
#include "periprox/usb/status.hpp"

namespace periprox::host {

/// "0x81 IN interrupt, 0x02 OUT bulk": the endpoints of the active settings, endpoint 0 left out;
/// "none" when there are none.
[[nodiscard]] std::string endpoint_list(const usb::DeviceModel& model);

/// Checks that `endpoint` can be used with Local::in() (an IN endpoint) or Local::out() (an OUT
/// endpoint): Usage with what is there instead.
[[nodiscard]] Result<void> check_endpoint(const usb::DeviceModel& model,
                                          usb::EndpointAddress endpoint);

/// An Error for a status that is not Ok; `what` is what was tried.
[[nodiscard]] Error transfer_error(std::string what, usb::Status status);

}  // namespace periprox::host
