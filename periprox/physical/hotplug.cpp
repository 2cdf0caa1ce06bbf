#include "periprox/physical/hotplug.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "periprox/loop/loop.hpp"
#include "periprox/physical/locator.hpp"
#include "periprox/physical/sysfs.hpp"
#include "periprox/physical/uevent_socket.hpp"

namespace periprox::physical {

PresenceChange compare_presence(const std::vector<DevicePresence>& before,
                                const std::vector<DevicePresence>& now) {
  PresenceChange change;
  std::set_difference(before.begin(), before.end(), now.begin(), now.end(),
                      std::back_inserter(change.removed));
  std::set_difference(now.begin(), now.end(), before.begin(), before.end(),
                      std::back_inserter(change.added));
  return change;
}

std::vector<DevicePresence> present_devices(const SystemPaths& paths) {
  std::vector<DevicePresence> present;
  for (const auto& name : list_folder(paths.usb_devices())) {
    if (!is_bus_id(name)) continue;
    const auto folder = paths.usb_devices() / name;
    const auto busnum = read_number(folder / "busnum");
    const auto devnum = read_number(folder / "devnum");
    // The kernel links the driver "usb" when it is done with the configuration.
    if (!busnum || !devnum || !link_name(folder / "driver")) continue;
    present.push_back({name, *busnum, *devnum});
  }
  std::sort(present.begin(), present.end());
  return present;
}

class Hotplug::Impl final : public std::enable_shared_from_this<Impl> {
 public:
  /// Wraps a method into a handler that does nothing once the owner is destroyed.
  template <typename Method>
  auto weakly(Method method) {
    return [weak = weak_from_this(), method] {
      if (const auto self = weak.lock(); self && !self->closed_) method(*self);
    };
  }

  Impl(Loop& loop, SystemPaths paths, Handler added, Handler removed, HotplugOptions options)
      : loop_(loop),
        paths_(std::move(paths)),
        added_(std::move(added)),
        removed_(std::move(removed)),
        options_(options) {}

  void open() {
    if (options_.source == HotplugOptions::Source::Automatic) {
      if (auto socket = UeventSocket::open()) {
        socket_ = std::move(*socket);
        watch_.emplace(loop_, socket_->fd(), [this](Ready) {
          const auto keep = shared_from_this();
          receive();
        });
      }
    }
    // Listen first, then look: nothing is missed in between.
    loop_.post(weakly([](Impl& self) {
      self.look();
      self.next();
    }));
  }

  void close() {
    closed_ = true;
    watch_.reset();
    loop_.cancel(timer_);
  }

  [[nodiscard]] bool listens() const { return socket_.has_value(); }

 private:
  void next() {
    if (closed_) return;
    if (socket_) {
      watch_->want({.read = true});
      return;
    }
    timer_ = loop_.call_at(loop_.now() + options_.poll_interval, weakly([](Impl& self) {
                             self.look();
                             self.next();
                           }));
  }

  void receive() {
    while (!closed_) {
      const auto received = socket_->receive();
      switch (received.outcome) {
        case UeventSocket::Outcome::Received:
          if (const auto event = parse_uevent(received.datagram)) apply(*event);
          break;
        case UeventSocket::Outcome::Ignored:
          break;
        case UeventSocket::Outcome::Overrun:
          look();
          break;
        case UeventSocket::Outcome::Broken:
          watch_.reset();
          socket_.reset();
          next();
          return;
        case UeventSocket::Outcome::Empty:
          return;
      }
    }
  }

  void apply(const UsbEvent& event) {
    auto now = known_;
    // Another device of this bus id is history, also when its removal was not heard of.
    std::erase_if(now, [&](const auto& device) {
      return device.busid == event.device.busid &&
             (event.kind == UsbEvent::Kind::Removed || device != event.device);
    });
    const auto place = std::lower_bound(now.begin(), now.end(), event.device);
    const bool known = place != now.end() && *place == event.device;
    if (event.kind == UsbEvent::Kind::Ready && !known) now.insert(place, event.device);
    become(std::move(now));
  }

  void look() { become(present_devices(paths_)); }

  void become(std::vector<DevicePresence> now) {
    const auto change = compare_presence(known_, now);
    known_ = std::move(now);
    for (const auto& device : change.removed) {
      if (!closed_) removed_(device);
    }
    for (const auto& device : change.added) {
      if (!closed_) added_(device);
    }
  }

  Loop& loop_;
  SystemPaths paths_;
  Handler added_;
  Handler removed_;
  HotplugOptions options_;
  std::optional<UeventSocket> socket_;
  std::optional<Watch> watch_;
  TimerId timer_{};
  std::vector<DevicePresence> known_;
  bool closed_ = false;
};

Hotplug::Hotplug(Loop& loop, SystemPaths paths, Handler added, Handler removed,
                 HotplugOptions options)
    : impl_(std::make_shared<Impl>(loop, std::move(paths), std::move(added), std::move(removed),
                                   options)) {
  impl_->open();
}

Hotplug::~Hotplug() { impl_->close(); }

bool Hotplug::listens_to_kernel() const { return impl_->listens(); }

}  // namespace periprox::physical
