// emulated:network: the adapter, and what the settings put its cable into.
#include <string>
#include <utility>

#include "periprox/emulated/network.hpp"
#include "periprox/emulated/no_stream.hpp"

namespace periprox::emulated {
namespace {

constexpr auto kSettings = with_common_settings(
    "high",
    SettingInfo{"to", "",
                "where the cable leads: tap:NAME, or dgram:PATH,PEER with Unix datagram sockets; "
                "empty: nowhere"},
    SettingInfo{"mode", "ncm", "ncm, or ecm for old hosts"},
    SettingInfo{"mac", "02:50:50:00:00:01", "the Ethernet address that the host takes"});

Result<FunctionMaker> make_network(SettingsReader& settings, const Surroundings& surroundings) {
  using Model = NetworkAdapter::Model;
  NetworkAdapter::Options options;
  options.model = settings.choice("mode", {"ncm", "ecm"}) == 0 ? Model::Ncm : Model::Ecm;
  const auto address = parse_mac_address(settings.text("mac"));
  if (!address) settings.reject("mac", "an address such as 02:50:50:00:00:01");
  const auto to = settings.text("to");
  if (!to.empty() && !to.starts_with("tap:") && !to.starts_with("dgram:")) {
    settings.reject("to", "tap:NAME or dgram:PATH,PEER");
  }
  if (settings.error()) return tl::make_unexpected(*settings.error());
  options.address = *address;
  auto stream = open_stream_or_none(surroundings, to);
  if (!stream) return forward_error(stream);
  const auto adapter = std::make_shared<NetworkAdapter>(options, std::move(*stream));
  return [adapter](Place place) { return network_function(adapter, place); };
}

}  // namespace

DeviceType network_type() {
  return {.name = "network",
          .summary = "network adapter (CDC-NCM or ECM), joined to a TAP device or a socket",
          .settings = kSettings,
          .make = FunctionType{.idProduct = 0x0008, .make = make_network}};
}

}  // namespace periprox::emulated
