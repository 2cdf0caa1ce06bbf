// periprox detach: take devices out of this machine's virtual ports, whoever attached them.
#include <set>

#include "periprox/app/port_words.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/service/printable.hpp"

namespace periprox::app {
namespace {

/// The ports that are meant, each once.
Result<std::set<unsigned>> chosen_ports(const DetachOptions& options,
                                        const host::VirtualPorts& ports) {
  std::set<unsigned> chosen;
  if (options.all) {
    for (const auto& port : ports.list()) {
      if (port.use != host::PortUse::Free) chosen.insert(port.number);
    }
  }
  for (const auto& name : options.ports) {
    auto found = ports.find(name);
    if (!found) {
      auto error = std::move(found).error();
      error.what = service::printable(error.what, 256);
      return tl::make_unexpected(std::move(error));
    }
    chosen.insert(*found);
  }
  return chosen;
}

}  // namespace

Result<void> detach(const DetachOptions& options, Output& output) {
  Loop loop;
  auto ports = host::VirtualPorts::open(loop, {.detaching = options.wait});
  if (!ports) return forward_error(ports);
  const auto chosen = chosen_ports(options, **ports);
  if (!chosen) return tl::make_unexpected(chosen.error());
  std::size_t waiting = chosen->size();
  Result<void> done;
  for (const unsigned number : *chosen) {
    (*ports)->detach(number, [&, number](Result<void> detached) {
      --waiting;
      if (!detached) {
        if (done) done = std::move(detached);
        return;
      }
      static_cast<void>(output.write(options.json
                                         ? port_event_json("detached", {.number = number})
                                         : "port " + std::to_string(number) + " is free\n"));
    });
  }
  loop.run_until([&] { return waiting == 0; });
  return done;
}

}  // namespace periprox::app
