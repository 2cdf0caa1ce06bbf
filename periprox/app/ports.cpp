// periprox ports: what is plugged into this machine's virtual ports.
#include <algorithm>

#include "periprox/app/port_words.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::app {

Result<void> ports(const PortsOptions& options, Output& output) {
  Loop loop;
  const auto virtual_ports = host::VirtualPorts::open(loop);
  if (!virtual_ports) return tl::make_unexpected(virtual_ports.error());
  auto rows = (*virtual_ports)->list();
  const auto total = rows.size();
  if (!options.all) {
    rows.erase(std::remove_if(rows.begin(), rows.end(),
                              [](const auto& row) { return row.use == host::PortUse::Free; }),
               rows.end());
  }
  if (options.json) return output.write(ports_json(rows));
  if (rows.empty()) {
    return output.write("all " + std::to_string(total) +
                        " ports are free; `periprox attach DEVICE` plugs a device in\n");
  }
  return output.write(ports_table(rows));
}

}  // namespace periprox::app
