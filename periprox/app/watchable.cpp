#include "periprox/app/watchable.hpp"

#include <algorithm>

#include "periprox/app/json.hpp"
#include "periprox/app/log.hpp"
#include "periprox/app/watch_place.hpp"

namespace periprox::app {

Watchable::Watchable(Loop& loop)
    : loop_(loop),
      server_(
          loop, [this] { return entries(); }, [this] { return ready_json({}, entries()); },
          [](const service::Event& event) { log_line(LogLevel::Info, event.text); }) {}

void Watchable::listen() {
  listening_ = true;
  const auto place = new_watch_socket();
  const auto listening =
      place ? server_.listen(*place) : Result<void>(tl::make_unexpected(place.error()));
  if (!listening) log_line(LogLevel::Detail, listening.error().text());
}

void Watchable::close() {
  bool closed = false;
  server_.close([&closed] { closed = true; });
  loop_.run_until([&closed] { return closed; });
}

void Watchable::add(const service::OpenedDevice& opened) {
  if (!listening_) listen();
  std::erase_if(shown_, [](const Shown& shown) { return shown.device.expired(); });
  auto address = service::place_of(opened);
  const auto is_taken = [this](const std::string& busid) {
    return std::ranges::any_of(shown_,
                               [&](const Shown& shown) { return shown.address.busid == busid; });
  };
  for (unsigned next = 1; is_taken(address.busid); ++next)
    address.busid = "1-" + std::to_string(next);
  shown_.push_back({std::move(address), opened.name, opened.device, opened.capture});
}

std::vector<service::ExportTable::Entry> Watchable::entries() const {
  std::vector<service::ExportTable::Entry> entries;
  for (const auto& shown : shown_) {
    if (const auto device = shown.device.lock()) {
      entries.push_back({.address = shown.address,
                         .name = shown.name,
                         .holder = {},
                         .model = &device->model(),
                         .capture = shown.capture});
    }
  }
  return entries;
}

}  // namespace periprox::app
