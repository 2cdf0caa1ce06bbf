// How it works: an event or a look at sysfs says that a device is there; if it is wanted and not
// exported already, it is opened by its bus id and added. When it goes, the table notices by itself
// (the device says so); here only the next look is arranged, because a device that is plugged in
// again at once may be seen before the old one is known to be gone.
#include "periprox/service/plugged_devices.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "periprox/loop/loop.hpp"
#include "periprox/service/opener.hpp"

namespace periprox::service {

namespace {

/// udev gives the node to its group a moment after the kernel has made it.
constexpr auto kPermissionPause = std::chrono::milliseconds(200);
constexpr int kPermissionTries = 15;
constexpr auto kLookAgain = std::chrono::milliseconds(500);

/// True when a device that fits might be plugged in later: this machine has the bus.
bool may_come(const physical::Locator& locator, const physical::SystemPaths& paths) {
  std::error_code none;
  if (locator.busid.empty()) return !std::filesystem::is_empty(paths.usb_devices(), none) && !none;
  const auto bus = locator.busid.substr(0, locator.busid.find('-'));
  return std::filesystem::exists(paths.usb_devices() / ("usb" + bus), none);
}

}  // namespace

PluggedDevices::PluggedDevices(Loop& loop, Opener& opener, ExportTable& exports, EventSink events,
                               physical::SystemPaths paths)
    : loop_(loop),
      opener_(opener),
      exports_(exports),
      events_(std::move(events)),
      paths_(std::move(paths)) {}

PluggedDevices::~PluggedDevices() { *self_ = nullptr; }

void PluggedDevices::start(Started done) {
  opener_.restore_abandoned([self = self_, done = std::move(done)](const auto& devices) {
    if (*self == nullptr) return;
    for (const auto& device : devices) {
      (*self)->report(Event::Kind::GivenBack, Event::Level::Info, device.busid,
                      device.busid + " was left without its driver by a process that was killed; " +
                          (device.left.empty() ? "it has it again" : "no driver wants it"));
    }
    (*self)->open_present(done);
  });
}

void PluggedDevices::open_present(const Started& done) {
  const auto present = physical::Inventory(paths_).list();
  std::vector<std::string> busids;
  for (const auto& locator : wanted_) {
    const auto fits = [&](const auto& device) { return physical::matches(locator, device); };
    const auto count = std::count_if(present.begin(), present.end(), fits);
    if (count == 1) {
      busids.push_back(std::find_if(present.begin(), present.end(), fits)->busid);
    } else if (count == 0 && may_come(locator, paths_)) {
      const auto name = physical::format_locator(locator);
      report(Event::Kind::Waiting, Event::Level::Warning, name,
             name + " is not plugged in; it will be exported when it is");
    } else {
      auto found = physical::Inventory(paths_).select(locator);
      // It may have come, or become one, since the list was made: then the next look finds it.
      if (found) {
        busids.push_back(found->busid);
        continue;
      }
      done(forward_error(found));
      return;
    }
  }
  for (const auto& device : present) {
    if (!wants_all_) break;
    if (device.refusal) {
      report_refusal(Event::Level::Info, device.busid,
                     device.busid + " is left out: ", *device.refusal);
    } else {
      busids.push_back(device.busid);
    }
  }
  std::sort(busids.begin(), busids.end());
  busids.erase(std::unique(busids.begin(), busids.end()), busids.end());
  open_all(busids, done);
}

void PluggedDevices::open_all(const std::vector<std::string>& busids, const Started& done) {
  // Shared by the openings under way; the first error that matters is the answer.
  struct Progress {
    std::size_t left;
    Result<void> result;
  };
  auto progress = std::make_shared<Progress>(Progress{busids.size() + 1, {}});
  auto one_done = [this, progress, done](Result<void> result) {
    // Of `all`, one that cannot be had does not keep the others away.
    if (!result && wants_all_) {
      report(Event::Kind::Refused, Event::Level::Warning, "", result.error().text());
    } else if (!result && progress->result) {
      progress->result = std::move(result);
    }
    if (--progress->left > 0) return;
    if (progress->result && wants_any()) watch();
    done(std::move(progress->result));
  };
  for (const auto& busid : busids) open(busid, 0, one_done);
  one_done({});
}

void PluggedDevices::watch() {
  hotplug_ = std::make_unique<physical::Hotplug>(
      loop_, paths_, [this](const auto& device) { added(device); },
      [this](const auto& device) { removed(device); });
}

void PluggedDevices::open(const std::string& busid, int tries_left, Started done) {
  if (std::find(opening_.begin(), opening_.end(), busid) == opening_.end())
    opening_.push_back(busid);
  opener_.open(busid, [self = self_, busid, tries_left,
                       done = std::move(done)](Result<OpenedDevice> device) {
    if (*self == nullptr) return;
    auto& here = **self;
    if (!device && device.error().kind == Error::Kind::NoPermission && tries_left > 0) {
      here.loop_.call_at(here.loop_.now() + kPermissionPause, [self, busid, tries_left, done] {
        if (*self != nullptr) (*self)->open(busid, tries_left - 1, done);
      });
      return;
    }
    std::erase(here.opening_, busid);
    if (!device) {
      done(forward_error(device));
      return;
    }
    std::vector<OpenedDevice> one;
    one.push_back(std::move(*device));
    done(here.exports_.add(std::move(one)));
  });
}

void PluggedDevices::added(const physical::DevicePresence& device) {
  exports_.forget_gone();
  if (is_handled(device.busid)) return;
  const auto info = physical::Inventory(paths_).find(device.busid);
  if (!info || !is_wanted(*info)) return;
  const auto busid = device.busid;
  if (info->refusal) {
    report_refusal(Event::Level::Warning, busid, busid + " is not exported: ", *info->refusal);
    return;
  }
  open(busid, kPermissionTries, [this, busid](const Result<void>& result) {
    if (result) {
      refusals_.erase(busid);
      report(Event::Kind::Plugged, Event::Level::Info, busid,
             busid + " is plugged in and exported");
    } else {
      report_refusal(Event::Level::Warning, busid, "", result.error().text());
    }
  });
}

void PluggedDevices::removed(const physical::DevicePresence& device) {
  refusals_.erase(device.busid);
  loop_.call_at(loop_.now() + kLookAgain, [self = self_] {
    if (*self == nullptr) return;
    (*self)->exports_.forget_gone();
    for (const auto& present : physical::present_devices((*self)->paths_)) (*self)->added(present);
  });
}

bool PluggedDevices::is_wanted(const physical::DeviceInfo& device) const {
  return wants_all_ || std::any_of(wanted_.begin(), wanted_.end(), [&](const auto& locator) {
           return physical::matches(locator, device);
         });
}

/// True when the device is exported or about to be. One that is wanted by its ids twice over (two
/// of the same kind) is exported as well: it has a bus id of its own.
bool PluggedDevices::is_handled(const std::string& busid) const {
  if (std::find(opening_.begin(), opening_.end(), busid) != opening_.end()) return true;
  const auto entries = exports_.entries();
  return std::any_of(entries.begin(), entries.end(),
                     [&](const auto& entry) { return entry.address.busid == busid; });
}

/// Says why a device is not exported, once while it is plugged in: every device is looked at again
/// whenever another one goes.
void PluggedDevices::report_refusal(Event::Level level, const std::string& busid,
                                    const std::string& what, const std::string& why) {
  auto& known = refusals_[busid];
  if (std::exchange(known, why) == why) return;
  report(Event::Kind::Refused, level, busid, what + why);
}

void PluggedDevices::report(Event::Kind kind, Event::Level level, const std::string& busid,
                            std::string text) {
  events_({.kind = kind, .level = level, .text = std::move(text), .busid = busid});
}

}  // namespace periprox::service
