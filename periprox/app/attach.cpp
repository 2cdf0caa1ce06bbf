// periprox attach: open the devices, plug them into the kernel, say so, keep them there until a
// signal comes, or until they are unplugged at either end.
#include <algorithm>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "periprox/app/background.hpp"
#include "periprox/app/json.hpp"
#include "periprox/app/log.hpp"
#include "periprox/app/port_words.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/app/watchable.hpp"
#include "periprox/host/virtual_ports.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/loop/signals.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/opener.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/service/remote_opener.hpp"
#include "periprox/service/stages.hpp"

namespace periprox::app {
namespace {

using host::PortEvent;

/// What stock tools show as the origin of a device.
host::Origin origin_of(const std::string& text, const service::Locator& locator) {
  host::Origin origin{.locator = text};
  const auto* remote = std::get_if<service::RemoteLocator>(&locator);
  if (remote == nullptr || remote->server.kind != link::Address::Kind::Tcp) return origin;
  origin.server_host = remote->server.host;
  origin.server_port = std::to_string(remote->server.port);
  origin.server_busid = physical::format_locator(remote->device);
  return origin;
}

/// One run of the verb.
class Attaching {
 public:
  Attaching(const AttachOptions& options, Output& output, Loop& loop,
            std::shared_ptr<service::Stages> stages, std::function<void()> when_usable)
      : options_(options),
        output_(output),
        loop_(loop),
        when_usable_(std::move(when_usable)),
        signals_(loop_, {SIGINT, SIGTERM, SIGHUP}, [this] { stopping_ = true; }),
        opener_(
            loop_, print_advice, stages,
            [](std::string_view note) { log_line(LogLevel::Info, note); }, options.silence),
        stages_(std::move(stages)),
        remote_(loop_, options.silence),
        watchable_(loop_) {
    stages_->on_reconnected(
        [this](service::OpenedDevice device) { plug_again(std::move(device)); });
  }

  Result<void> run() {
    auto ports = host::VirtualPorts::open(loop_, {.enumeration = options_.wait});
    if (!ports) return forward_error(ports);
    ports_ = std::move(*ports);
    for (const auto& text : options_.devices) {
      auto locator = service::parse_locator(text);
      if (!locator) return forward_error(locator);
      if (options_.direct) {
        if (auto possible = check_direct(text, *locator); !possible) return possible;
      }
      locators_.push_back(std::move(*locator));
    }
    for (std::size_t i = 0; i < locators_.size(); ++i) open(i);
    loop_.run_until([this] { return stopping_ || failure_ || usable_ == locators_.size(); });
    if (!stopping_ && !failure_) {
      when_usable_();
      // Those that the kernel has itself need nobody any more.
      if (!options_.direct) loop_.run_until([this] { return stopping_ || is_over(); });
    }
    if (stopping_ || failure_) detach_all();
    watchable_.close();
    if (failure_ && !stopping_) return tl::make_unexpected(*failure_);
    return {};
  }

 private:
  /// Nothing is attached any more, and nothing comes back that a fault took away.
  [[nodiscard]] bool is_over() const { return attached_.empty() && away_ == 0; }

  /// The kernel can only be given what needs no relay.
  static Result<void> check_direct(const std::string& text, const service::Locator& locator) {
    const auto* remote = std::get_if<service::RemoteLocator>(&locator);
    const std::string what = "cannot attach '" + service::printable(text, 128) + "' directly";
    if (remote == nullptr) {
      return fail(Error::Kind::Usage, what, "only a server's connection can be given to the kernel",
                  "leave --direct out");
    }
    if (remote->server.kind == link::Address::Kind::Vsock) {
      // protocol: af_vsock answers -ENOMEM to a read of 256 KiB or more with MSG_WAITALL.
      return fail(Error::Kind::Usage, what,
                  "the kernel cannot receive transfers of 256 KiB or more over vsock",
                  "leave --direct out");
    }
    if (remote->device.serial_number) {
      return fail(Error::Kind::Usage, what, "a serial number can be read only through a relay",
                  "name the device by its bus id, or leave --direct out");
    }
    return {};
  }

  void open(std::size_t index) {
    const auto& text = options_.devices[index];
    if (options_.direct) {
      remote_.import_connection(
          std::get<service::RemoteLocator>(locators_[index]),
          [this, index](Result<service::ImportedConnection> connection) {
            if (stopping_ || failure_) return;
            if (!connection) {
              failure_ = std::move(connection).error();
              return;
            }
            plugged(index, ports_->attach_socket(std::move(connection->socket),
                                                 connection->address.devid(), connection->speed,
                                                 origin(index), on_event(index)));
          });
      return;
    }
    opener_.open(text, [this, index](Result<service::OpenedDevice> opened) {
      if (stopping_ || failure_) return;
      if (!opened) {
        failure_ = std::move(opened).error();
        return;
      }
      watchable_.add(*opened);
      const auto devid = service::place_of(*opened).devid();
      plugged(index,
              ports_->attach(std::move(opened->device), devid, origin(index), on_event(index)));
    });
  }

  /// A device that a fault took away is back.
  void plug_again(service::OpenedDevice device) {
    if (stopping_ || failure_) return;
    const auto place = std::find(options_.devices.begin(), options_.devices.end(), device.name);
    if (place == options_.devices.end()) return;
    const auto index = static_cast<std::size_t>(place - options_.devices.begin());
    const auto devid = service::place_of(device).devid();
    if (away_ > 0) --away_;
    watchable_.add(device);
    plugged(index, ports_->attach(std::move(device.device), devid, origin(index), on_event(index)));
  }

  [[nodiscard]] host::Origin origin(std::size_t index) const {
    return origin_of(options_.devices[index], locators_[index]);
  }

  host::VirtualPorts::OnEvent on_event(std::size_t index) {
    return [this, index](const PortEvent& event) { happened(index, event); };
  }

  void plugged(std::size_t index, Result<unsigned> port) {
    if (!port) {
      failure_ = std::move(port).error();
    } else {
      attached_[*port] = index;
    }
  }

  void happened(std::size_t index, const PortEvent& event) {
    const auto& port = event.port;
    switch (event.kind) {
      case PortEvent::Kind::Ready:
        ++usable_;
        say(port_event_json("attached", port), attached_line(port));
        if (port.drivers.empty()) {
          log_line(LogLevel::Info, "no driver of this kernel wants " + port.busid);
        }
        break;
      case PortEvent::Kind::Unready:
        failure_ = Error{Error::Kind::Failed,
                         "cannot use '" + service::printable(options_.devices[index], 128) + "'",
                         "the kernel has not made a device of it in time",
                         "`dmesg | tail` may say why; --wait gives it more time"};
        break;
      case PortEvent::Kind::Ended:
        attached_.erase(port.number);
        ended(index, event);
        break;
    }
  }

  void ended(std::size_t index, const PortEvent& event) {
    const auto name = service::printable(options_.devices[index], 128);
    std::string line = "port " + std::to_string(event.port.number) + ": " + name + " detached";
    say(port_event_json("detached", event.port, event.error), {});
    if (stopping_) return;
    std::string reason;
    if (event.error) {
      reason = event.error->what;
      if (!event.error->why.empty()) reason += ": " + event.error->why;
      line += ": " + reason;
    }
    log_line(event.error ? LogLevel::Warning : LogLevel::Info, line);
    if (event.error && !options_.stages.faults.empty()) {
      ++away_;  // A fault may bring it back.
      return;
    }
    // One of several devices may go while the others stay; the last one to go ends the program.
    if (event.error && (attached_.empty() || usable_ < locators_.size())) {
      failure_ = Error{event.error->kind, "'" + name + "' was detached", reason, {}};
    }
  }

  void say(const std::string& json, const std::string& text) {
    if (options_.json) {
      static_cast<void>(output_.write_event(json));
    } else if (!options_.quiet) {
      static_cast<void>(output_.write(text));
    }
  }

  void detach_all() {
    std::size_t waiting = attached_.size();
    const auto ports = attached_;
    for (const auto& [port, index] : ports) {
      ports_->detach(port, [&waiting](const Result<void>& /*done*/) { --waiting; });
    }
    loop_.run_until([&waiting] { return waiting == 0; });
  }

  const AttachOptions& options_;
  Output& output_;
  Loop& loop_;
  std::function<void()> when_usable_;
  bool stopping_ = false;
  Signals signals_;
  service::Opener opener_;
  std::shared_ptr<service::Stages> stages_;
  service::RemoteOpener remote_;
  Watchable watchable_;
  std::unique_ptr<host::VirtualPorts> ports_;
  std::vector<service::Locator> locators_;
  std::map<unsigned, std::size_t> attached_;  // Port to place in options_.devices.
  std::size_t usable_ = 0;
  std::size_t away_ = 0;  // Devices that a fault took away.
  std::optional<Error> failure_;
};

Result<void> attach_here(const AttachOptions& options, Output& output,
                         const std::function<void()>& when_usable) {
  Loop loop;
  auto stage_options = options.stages;
  stage_options.watchable = !options.direct;
  auto stages = service::Stages::create(stage_options, loop, print_advice);
  if (!stages) return forward_error(stages);
  return Attaching(options, output, loop, std::move(*stages), when_usable).run();
}

}  // namespace

Result<void> attach(const AttachOptions& options, Output& output) {
  start_log(options.quiet ? LogLevel::Warning : LogLevel::Info);
  const auto& stages = options.stages;
  if (options.direct &&
      !(stages.capture.empty() && stages.faults.empty() && stages.limits.empty())) {
    return fail(Error::Kind::Usage, "cannot attach directly",
                "what passes between server and kernel is then seen by nobody",
                "leave --direct out, or --capture, --fault and --limit");
  }
  if (!options.background) return attach_here(options, output, [] {});
  return in_background(options.json, [&](const std::function<void()>& when_usable) {
    return attach_here(options, output, when_usable);
  });
}

}  // namespace periprox::app
