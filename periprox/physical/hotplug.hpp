// Tells when devices are plugged in and unplugged.
//
// The kernel's own events are listened to (netlink, group 1), so no udev is needed. They are taken
// from the kernel only: any process may send to the group. Where the socket is not permitted or the
// events do not arrive (containers), sysfs is looked at every second instead. Events that were lost
// because too many came at once are made up for by looking at sysfs, too.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/physical/system_paths.hpp"
#include "periprox/physical/uevent.hpp"

namespace periprox {
class Loop;
}

namespace periprox::physical {

/// What changed between two looks. A device that was replaced by another is removed, then added.
struct PresenceChange {
  std::vector<DevicePresence> removed;
  std::vector<DevicePresence> added;
};
/// Both lists are sorted.
[[nodiscard]] PresenceChange compare_presence(const std::vector<DevicePresence>& before,
                                              const std::vector<DevicePresence>& now);
/// The devices that the kernel has finished setting up, sorted; hubs included, root hubs not.
[[nodiscard]] std::vector<DevicePresence> present_devices(const SystemPaths& paths);

struct HotplugOptions {
  enum class Source { Automatic, PollSysfs };
  Source source = Source::Automatic;
  Duration poll_interval = std::chrono::seconds(1);
};

/// Watches from its construction to its destruction, on the thread of `loop`. Devices that are
/// there already are reported as added, from within the loop. A device whose node belongs to a
/// group is reported before udev has set that: opening it may have to be tried again for a moment.
class Hotplug {
 public:
  using Handler = std::function<void(const DevicePresence&)>;

  Hotplug(Loop& loop, SystemPaths paths, Handler added, Handler removed,
          HotplugOptions options = {});
  ~Hotplug();
  Hotplug(const Hotplug&) = delete;
  Hotplug& operator=(const Hotplug&) = delete;

  /// False when sysfs is polled.
  [[nodiscard]] bool listens_to_kernel() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace periprox::physical
