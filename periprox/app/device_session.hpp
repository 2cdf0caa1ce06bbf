// One device, opened for one run of a verb that uses it from this process.
#pragma once

#include <memory>
#include <string>

#include "periprox/base/result.hpp"
#include "periprox/host/blocking.hpp"
#include "periprox/service/opened_device.hpp"
#include "periprox/service/stage_options.hpp"

namespace periprox::app {

/// An opened device and the loop it lives on. SIGINT and SIGTERM interrupt its transfers.
class DeviceSession final {
 public:
  /// Opens the device that the locator names, with stages in front of it, and waits for it; Failed
  /// when a signal comes first.
  [[nodiscard]] static Result<DeviceSession> open(const std::string& locator,
                                                  const service::StageOptions& stages,
                                                  service::Use use = service::Use::Whole);
  DeviceSession(DeviceSession&&) noexcept;
  ~DeviceSession();

  [[nodiscard]] host::Blocking& host() const;

 private:
  struct Parts;
  explicit DeviceSession(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace periprox::app
