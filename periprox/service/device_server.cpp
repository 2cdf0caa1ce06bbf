#include "periprox/service/device_server.hpp"

#include <csignal>
#include <utility>
#include <vector>

#include "periprox/loop/loop.hpp"
#include "periprox/loop/signals.hpp"
#include "periprox/physical/blocking_pool.hpp"
#include "periprox/service/export_table.hpp"
#include "periprox/service/server.hpp"
#include "periprox/service/surroundings.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::service {

struct DeviceServer::Impl {
  Loop loop;
  physical::BlockingPool pool;
  ExportTable exports{[](const Event&) {}};
  Server server{loop, exports, [](const Event&) {}};
  bool stopping = false;
};

DeviceServer::DeviceServer() : impl_(std::make_unique<Impl>()) {}
DeviceServer::~DeviceServer() = default;

Timers& DeviceServer::timers() { return impl_->loop; }

emulated::Surroundings DeviceServer::surroundings(std::function<void(const std::string&)> note) {
  return lend_surroundings(impl_->loop, impl_->pool, std::move(note));
}

Result<std::string> DeviceServer::add(std::unique_ptr<usb::Device> device, std::string name) {
  std::vector<OpenedDevice> devices;
  devices.push_back({.device = std::move(device), .name = std::move(name)});
  if (auto added = impl_->exports.add(std::move(devices)); !added) return forward_error(added);
  return impl_->exports.entries().back().address.busid;
}

Result<std::string> DeviceServer::listen(std::string_view address) {
  auto parsed = link::parse_address(address, wire::usbip::kDefaultPort);
  if (!parsed) return forward_error(parsed);
  auto real = impl_->server.listen(*parsed);
  if (!real) return forward_error(real);
  return real->text();
}

void DeviceServer::run() {
  auto& impl = *impl_;
  const Signals signals(impl.loop, {SIGINT, SIGTERM}, [&impl] { impl.stopping = true; });
  impl.loop.run_until([&impl] { return impl.stopping; });
  bool closed = false;
  impl.server.close([&closed] { closed = true; });
  impl.loop.run_until([&closed] { return closed; });
}

void DeviceServer::stop() {
  impl_->loop.post([this] { impl_->stopping = true; });
}

}  // namespace periprox::service
