// Exports plugged-in devices whenever they are there: those that were asked for by bus id or by
// ids, or all that may be exported.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/physical/hotplug.hpp"
#include "periprox/physical/inventory.hpp"
#include "periprox/physical/locator.hpp"
#include "periprox/physical/system_paths.hpp"
#include "periprox/service/event.hpp"
#include "periprox/service/export_table.hpp"

namespace periprox {
class Loop;
}

namespace periprox::service {

class Opener;

/// Adds devices to an ExportTable as they are plugged in, each as often as it comes. Only devices
/// that were wanted are touched. Single-threaded, on `loop`; `loop`, `opener` and `exports` outlive
/// it.
class PluggedDevices final {
 public:
  PluggedDevices(Loop& loop, Opener& opener, ExportTable& exports, EventSink events,
                 physical::SystemPaths paths = {});
  ~PluggedDevices();
  PluggedDevices(const PluggedDevices&) = delete;
  PluggedDevices& operator=(const PluggedDevices&) = delete;

  /// Wants one device; to be called before start().
  void want(physical::Locator locator) { wanted_.push_back(std::move(locator)); }
  /// Wants every device that may be exported: no hub, none in use by a mounted file system.
  void want_all() { wants_all_ = true; }
  [[nodiscard]] bool wants_any() const { return wants_all_ || !wanted_.empty(); }

  /// Gives back what an earlier process that was killed had taken, also when nothing is wanted;
  /// exports what is there now, and watches from then on. `done` is called once: with an error when
  /// a device that was named is there but cannot be exported, or when a name fits more than one.
  using Started = std::function<void(Result<void>)>;
  void start(Started done);

 private:
  void open_present(const Started& done);
  void open_all(const std::vector<std::string>& busids, const Started& done);
  void watch();
  void open(const std::string& busid, int tries_left, Started done);
  void added(const physical::DevicePresence& device);
  void removed(const physical::DevicePresence& device);
  [[nodiscard]] bool is_wanted(const physical::DeviceInfo& device) const;
  [[nodiscard]] bool is_handled(const std::string& busid) const;
  void report_refusal(Event::Level level, const std::string& busid, const std::string& what,
                      const std::string& why);
  void report(Event::Kind kind, Event::Level level, const std::string& busid, std::string text);

  Loop& loop_;
  Opener& opener_;
  ExportTable& exports_;
  EventSink events_;
  physical::SystemPaths paths_;
  std::vector<physical::Locator> wanted_;
  bool wants_all_ = false;
  std::vector<std::string> opening_;             // Bus ids.
  std::map<std::string, std::string> refusals_;  // What was said of a bus id that is plugged in.
  std::unique_ptr<physical::Hotplug> hotplug_;
  // Given to callbacks that may come after this is gone.
  std::shared_ptr<PluggedDevices*> self_ = std::make_shared<PluggedDevices*>(this);
};

}  // namespace periprox::service
