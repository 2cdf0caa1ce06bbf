// The stages that a person asked for, put in front of every device that is opened: the one place
// that knows in which order they stand.
//
//   host - capture - limits - faults - device
//
// So the capture is what the host sees, each fault is in it, and limits act on a device that is
// made to fail as on one that does by itself.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/service/opened_device.hpp"
#include "periprox/service/stage_options.hpp"

namespace periprox::service {

/// Makes stages for the devices of one loop. The devices share ownership of it.
class Stages final : public std::enable_shared_from_this<Stages> {
 public:
  /// Told what a person should know: that the capture ends, say. May come from another thread.
  using Advise = std::function<void(std::string_view)>;

  /// Opens what the options name. `timers` outlives all devices; `advise` is called until the last
  /// of them is gone.
  static Result<std::shared_ptr<Stages>> create(const StageOptions& options, Timers& timers,
                                                Advise advise);
  ~Stages();

  /// The device with its stages in front; the same when none were asked for.
  [[nodiscard]] OpenedDevice wrap(OpenedDevice opened);

  /// Gets devices that a fault took away and that are back, wrapped again. Without a handler they
  /// stay away. The handler may drop the device that was wrapped before.
  void on_reconnected(std::function<void(OpenedDevice)> handler);

 private:
  struct Parts;
  struct Faults;
  OpenedDevice wrap(OpenedDevice opened, const Faults& faults);
  explicit Stages(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace periprox::service
