// What virtual_ports.hpp has in common on all platforms.
#include "periprox/host/virtual_ports.hpp"

namespace periprox::host {

std::string_view port_use_name(PortUse use) {
  switch (use) {
    case PortUse::Free:
      return "free";
    case PortUse::Enumerating:
      return "enumerating";
    case PortUse::InUse:
      return "in use";
    case PortUse::InError:
      return "in error";
  }
  return "unknown";
}

}  // namespace periprox::host
