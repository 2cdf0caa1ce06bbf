// From a locator to a device, whatever kind it is.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "periprox/base/result.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/opened_device.hpp"

namespace periprox::link {
class Loop;
}

namespace periprox::service {

/// Opens devices on one loop. Outlives the devices it opened; `loop` outlives both.
class Opener final {
 public:
  using Done = std::function<void(Result<OpenedDevice>)>;

  explicit Opener(link::Loop& loop);
  ~Opener();
  Opener(const Opener&) = delete;
  Opener& operator=(const Opener&) = delete;

  /// Opens the device that `locator` names. `done` is called once, on the loop, never from within
  /// this call.
  void open(std::string_view locator, Done done);

 private:
  struct Common;
  std::unique_ptr<Common> common_;
};

}  // namespace periprox::service
