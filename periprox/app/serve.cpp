// periprox serve: open the devices, listen, say that it is ready, serve until a signal comes.
#include "periprox/app/verbs.hpp"

#include <csignal>
#include <optional>
#include <vector>

#include "periprox/app/descriptor_limit.hpp"
#include "periprox/app/json.hpp"
#include "periprox/app/log.hpp"
#include "periprox/app/watch_place.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/loop/signals.hpp"
#include "periprox/service/export_table.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/opener.hpp"
#include "periprox/service/plugged_devices.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/service/ring_exporter.hpp"
#include "periprox/service/server.hpp"
#include "periprox/service/stages.hpp"
#include "periprox/service/watch_server.hpp"
#include "periprox/usb/hex_text.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::app {
namespace {

constexpr std::string_view kDefaultListen = "tcp://127.0.0.1:3240";

LogLevel least_level(const ServeOptions& options) {
  if (options.quiet) return LogLevel::Warning;
  return options.verbose ? LogLevel::Detail : LogLevel::Info;
}

LogLevel level_of(service::Event::Level level) {
  switch (level) {
    case service::Event::Level::Detail:
      return LogLevel::Detail;
    case service::Event::Level::Info:
      return LogLevel::Info;
    case service::Event::Level::Warning:
      return LogLevel::Warning;
  }
  return LogLevel::Info;
}

/// True when only this machine can reach the address.
bool is_local(const link::Address& address) {
  if (address.kind == link::Address::Kind::Unix) return true;
  return address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
}

/// One run of the verb.
class Serving {
 public:
  Serving(const ServeOptions& options, Output& output, Loop& loop,
          std::shared_ptr<service::Stages> stages)
      : options_(options),
        output_(output),
        loop_(loop),
        signals_(loop_, {SIGINT, SIGTERM}, [this] { stopping_ = true; }),
        opener_(
            loop_,
            [this](std::string_view advice) {
              on_event({.kind = service::Event::Kind::Advice,
                        .level = service::Event::Level::Warning,
                        .text = std::string(advice)});
            },
            stages,
            [this](std::string_view text) {
              on_event({.kind = service::Event::Kind::Note, .text = std::string(text)});
            }),
        stages_(std::move(stages)),
        exports_([this](const service::Event& event) { on_event(event); }),
        server_(loop_, exports_, [this](const service::Event& event) { on_event(event); }),
        rings_(loop_, exports_, [this](const service::Event& event) { on_event(event); }),
        watchers_(
            loop_, [this] { return exports_.entries(); },
            [this] { return ready_json(listening_, exports_.entries()); },
            [this](const service::Event& event) { on_event(event); }),
        plugged_(loop_, opener_, exports_,
                 [this](const service::Event& event) { on_event(event); }) {
    stages_->on_reconnected([this](service::OpenedDevice device) { add_again(std::move(device)); });
  }

  Result<void> run() {
    auto addresses = parse_addresses();
    if (!addresses) return forward_error(addresses);
    auto elsewhere = sort_devices();
    if (!elsewhere) return forward_error(elsewhere);
    auto devices = open_devices(*elsewhere);
    if (!devices) return forward_error(devices);
    if (stopping_) return {};
    if (auto added = exports_.add(std::move(*devices)); !added) return added;
    if (auto started = start_plugged(); !started) return started;
    if (stopping_) return {};
    for (auto& address : *addresses) {
      auto real = server_.listen(address);
      if (!real) return forward_error(real);
      address = *real;
    }
    for (const auto& ring : ring_addresses_) {
      if (auto listening = rings_.listen(ring); !listening) return listening;
    }
    for (const auto& address : *addresses) listening_.push_back(address.text());
    for (const auto& ring : ring_addresses_) listening_.push_back(ring.text());
    let_watch();
    if (auto said = say_ready(*addresses); !said) return said;
    loop_.run_until([this] { return stopping_; });
    close();
    return {};
  }

 private:
  /// A device that a fault took away is back.
  void add_again(service::OpenedDevice device) {
    exports_.forget_gone();
    const auto name = service::printable(device.name);
    std::vector<service::OpenedDevice> one;
    one.push_back(std::move(device));
    const auto added = exports_.add(std::move(one));
    on_event({.kind = service::Event::Kind::Plugged,
              .level = service::Event::Level::Info,
              .text = added ? name + " is plugged in and exported" : added.error().text()});
  }

  Result<std::vector<link::Address>> parse_addresses() {
    std::vector<link::Address> addresses;
    auto texts = options_.listen;
    if (texts.empty()) texts.emplace_back(kDefaultListen);
    for (const auto& text : texts) {
      if (service::is_ring(text)) {
        auto ring = service::parse_ring_address(text);
        if (!ring) return forward_error(ring);
        ring_addresses_.push_back(std::move(*ring));
        continue;
      }
      auto address = link::parse_address(text, wire::usbip::kDefaultPort);
      if (!address) return forward_error(address);
      addresses.push_back(std::move(*address));
    }
    return addresses;
  }

  /// Hands plugged-in devices to plugged_, which exports them whenever they are there; returns the
  /// locators of the others.
  Result<std::vector<std::string>> sort_devices() {
    std::vector<std::string> elsewhere;
    for (const auto& text : options_.devices) {
      if (text == "all") {
        if (!options_.yes) {
          return fail(Error::Kind::Usage, "cannot export all devices",
                      "that takes every device from this machine, keyboards too",
                      "say --yes if that is meant; `periprox list` shows them");
        }
        plugged_.want_all();
        continue;
      }
      auto locator = service::parse_locator(text);
      if (!locator) return forward_error(locator);
      if (auto* plugged = std::get_if<physical::Locator>(&*locator)) {
        plugged_.want(std::move(*plugged));
      } else {
        elsewhere.push_back(text);
      }
    }
    return elsewhere;
  }

  /// All at once, because each may wait for a server.
  Result<std::vector<service::OpenedDevice>> open_devices(
      const std::vector<std::string>& locators) {
    std::vector<service::OpenedDevice> devices(locators.size());
    std::size_t opened = 0;
    std::optional<Error> failure;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      opener_.open(locators[i], [&, i](Result<service::OpenedDevice> device) {
        if (device) {
          devices[i] = std::move(*device);
        } else if (!failure) {
          failure = std::move(device).error();
        }
        ++opened;
      });
    }
    // The loop does not run again after an early return, so nobody calls back into this function.
    loop_.run_until([&] { return stopping_ || failure || opened == devices.size(); });
    if (failure) return tl::make_unexpected(std::move(*failure));
    return devices;
  }

  Result<void> start_plugged() {
    std::optional<Result<void>> started;
    plugged_.start([&started](Result<void> result) { started = std::move(result); });
    loop_.run_until([&] { return stopping_ || started; });
    return started.value_or(Result<void>{});
  }

  /// Serving goes on where nobody can watch.
  void let_watch() {
    const auto place = new_watch_socket();
    const auto listening =
        place ? watchers_.listen(*place) : Result<void>(tl::make_unexpected(place.error()));
    if (listening) return;
    on_event({.kind = service::Event::Kind::Advice,
              .level = service::Event::Level::Detail,
              .text = listening.error().text()});
  }

  Result<void> say_ready(const std::vector<link::Address>& addresses) {
    std::string text;
    if (options_.json) {
      text = ready_json(listening_, exports_.entries());
    } else if (!options_.quiet) {
      for (const auto& entry : exports_.entries()) text += device_line(entry);
      for (const auto& address : listening_) text += "listening on " + address + '\n';
    }
    for (const auto& address : addresses) {
      if (is_local(address)) continue;
      log_line(LogLevel::Warning,
               address.text() +
                   " can be reached from other machines, and USB/IP has neither "
                   "encryption nor passwords: whoever reaches it can use the devices");
    }
    return output_.write(text);
  }

  static std::string device_line(const service::ExportTable::Entry& entry) {
    const auto& model = *entry.model;
    std::string line = entry.address.busid + "  " +
                       usb::ids_text(model.descriptor().idVendor, model.descriptor().idProduct) +
                       "  " + std::string(usb::speed_name(model.speed())) + " speed";
    for (const auto* name : {&model.manufacturer, &model.product}) {
      if (!name->empty()) line += "  " + service::printable(*name);
    }
    return line + "  (" + service::printable(entry.name) + ")\n";
  }

  void on_event(const service::Event& event) {
    log_line(level_of(event.level), event.text);
    const bool wanted = event.level != service::Event::Level::Detail || options_.verbose;
    // A reader of events that has gone away changes nothing for the clients.
    if (options_.json && wanted) static_cast<void>(output_.write_event(event_json(event)));
  }

  void close() {
    log_line(LogLevel::Info, "stopping");
    int closed = 0;
    server_.close([&closed] { ++closed; });
    rings_.close([&closed] { ++closed; });
    loop_.run_until([&closed] { return closed == 2; });
    watchers_.close([&closed] { ++closed; });  // Last, so that captures have the end of it all.
    loop_.run_until([&closed] { return closed == 3; });
  }

  const ServeOptions& options_;
  Output& output_;
  Loop& loop_;
  bool stopping_ = false;
  Signals signals_;
  service::Opener opener_;
  std::shared_ptr<service::Stages> stages_;
  service::ExportTable exports_;
  service::Server server_;
  std::vector<service::RingAddress> ring_addresses_;
  service::RingExporter rings_;
  service::WatchServer watchers_;
  std::vector<std::string> listening_;
  service::PluggedDevices plugged_;
};

}  // namespace

Result<void> serve(const ServeOptions& options, Output& output) {
  start_log(least_level(options));
  raise_descriptor_limit();
  Loop loop;
  auto stage_options = options.stages;
  stage_options.watchable = true;
  auto stages = service::Stages::create(stage_options, loop, print_advice);
  if (!stages) return forward_error(stages);
  return Serving(options, output, loop, std::move(*stages)).run();
}

}  // namespace periprox::app
