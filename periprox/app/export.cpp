// periprox export: one device over a connection that another program has made, ssh or qrexec. It
// says "devid speed" (wire/export_line.hpp), then it is a USB/IP server in its URB phase.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include "periprox/app/log.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/app/watchable.hpp"
#include "periprox/link/pump.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/loop/signals.hpp"
#include "periprox/service/opener.hpp"
#include "periprox/service/stages.hpp"
#include "periprox/session/usbip_server.hpp"
#include "periprox/wire/export_line.hpp"

namespace periprox::app {
namespace {

/// The two directions of the connection; `out` is empty when `in` is a socket and serves for both.
struct Connection {
  UniqueFd in;
  UniqueFd out;
};

Result<Connection> standard_connection() {
  if (::isatty(STDIN_FILENO) == 1 || ::isatty(STDOUT_FILENO) == 1) {
    return fail(Error::Kind::Usage, "cannot export over a terminal",
                "standard input and output are to be a connection",
                "periprox attach 'usbip+exec:ssh THIS_HOST periprox export DEVICE', elsewhere");
  }
  int type = 0;
  socklen_t size = sizeof(type);
  const bool is_socket = ::getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
  // Copies, and something harmless in their place: nobody may write into the connection by mistake.
  Connection connection{UniqueFd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)), UniqueFd()};
  if (!is_socket) connection.out = UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!connection.in || (!is_socket && !connection.out)) {
    return tl::make_unexpected(errno_error(errno, "cannot use standard input and output"));
  }
  const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(nothing.get(), STDOUT_FILENO);
  return connection;
}

/// Before the pump takes over: a few bytes, which always fit.
Result<void> announce(const Connection& connection, const wire::ExportLine& line) {
  const auto text = wire::encode_export_line(line);
  const int fd = connection.out ? connection.out.get() : connection.in.get();
  if (::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size())) return {};
  return tl::make_unexpected(errno_error(errno, "cannot announce the device"));
}

}  // namespace

Result<void> export_device(const ExportOptions& options) {
  start_log(LogLevel::Info);
  if (options.stages.capture == "-") {
    return fail(Error::Kind::Usage, "cannot capture to standard output",
                "that is the connection over which the device is exported",
                "--capture FILE, or `periprox capture DEVICE -` meanwhile");
  }
  auto connection = standard_connection();
  if (!connection) return forward_error(connection);

  Loop loop;
  bool stopping = false;
  const Signals signals(loop, {SIGINT, SIGTERM, SIGHUP}, [&stopping] { stopping = true; });
  const auto advise = [](std::string_view advice) { log_line(LogLevel::Warning, advice); };
  auto stage_options = options.stages;
  stage_options.watchable = true;
  auto stages = service::Stages::create(stage_options, loop, advise);
  if (!stages) return forward_error(stages);
  service::Opener opener(loop, advise, std::move(*stages));
  Watchable watchable(loop);
  std::optional<Result<service::OpenedDevice>> opened;
  opener.open(options.device, [&](auto result) { opened = std::move(result); });
  loop.run_until([&] { return stopping || opened; });
  if (!opened) return {};
  if (!*opened) return forward_error(*opened);

  const auto device = std::move(**opened);
  const auto place = service::place_of(device);
  const wire::ExportLine line{.devid = place.devid(), .speed = device.device->model().speed()};
  if (auto announced = announce(*connection, line); !announced) return announced;

  watchable.add(device);
  bool gone = false;
  std::optional<Error> failure;
  bool ended = false;
  link::tune_socket(connection->in.get());
  link::Pump pump(loop, std::move(connection->in), std::move(connection->out),
                  std::make_unique<session::UsbipServer>(session::Lease(*device.device, place, {})),
                  [&](Protocol& protocol) {
                    failure = protocol.failure();
                    gone = dynamic_cast<session::UsbipServer&>(protocol).device_is_gone();
                    ended = true;
                  });
  loop.run_until([&] { return stopping || ended; });
  if (!ended) {
    pump.close();
    loop.run_until([&] { return ended; });
  }
  watchable.close();
  if (stopping) return {};
  if (gone) {
    return fail(Error::Kind::Gone, device.name + " is gone", "it was unplugged while in use");
  }
  if (failure) return tl::make_unexpected(*failure);
  return {};
}

}  // namespace periprox::app
