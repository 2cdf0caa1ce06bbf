#include "periprox/app/device_session.hpp"

#include <csignal>
#include <optional>
#include <utility>

#include "periprox/app/output.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/loop/signals.hpp"
#include "periprox/service/opener.hpp"
#include "periprox/service/stages.hpp"

namespace periprox::app {

struct DeviceSession::Parts {
  Loop loop;
  Signals signals{loop, {SIGINT, SIGTERM}, [this] {
                    interrupted = true;
                    if (host) host->interrupt();
                  }};
  std::optional<service::Opener> opener;
  service::OpenedDevice opened;
  std::optional<host::Blocking> host;
  bool interrupted = false;
};

Result<DeviceSession> DeviceSession::open(const std::string& locator,
                                          const service::StageOptions& stage_options,
                                          service::Use use) {
  auto parts = std::make_unique<Parts>();
  auto stages = service::Stages::create(stage_options, parts->loop, print_advice);
  if (!stages) return forward_error(stages);
  parts->opener.emplace(parts->loop, print_advice, std::move(*stages));
  std::optional<Result<service::OpenedDevice>> opened;
  parts->opener->open(
      locator, [&](auto result) { opened = std::move(result); }, use);
  parts->loop.run_until([&] { return opened.has_value() || parts->interrupted; });
  if (!opened) {
    return fail(Error::Kind::Failed, "cannot open '" + locator + "'", "it was interrupted");
  }
  if (!*opened) return forward_error(*opened);
  parts->opened = std::move(**opened);
  parts->host.emplace(parts->loop, *parts->opened.device);
  return DeviceSession(std::move(parts));
}

DeviceSession::DeviceSession(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
DeviceSession::DeviceSession(DeviceSession&&) noexcept = default;
DeviceSession::~DeviceSession() = default;
host::Blocking& DeviceSession::host() const { return *parts_->host; }

}  // namespace periprox::app
