// How it works: connect, let a Pump drive the sans-IO client, and hand out the client as the
// device, sharing ownership of the Pump. Callbacks of protocols are posted to the loop first,
// because a Pump may not be destroyed from within its protocol.
#include "periprox/service/remote_opener.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <string>
#include <utility>

#include "periprox/link/child.hpp"
#include "periprox/link/pump.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/service/exchange_import.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/session/devlist_client.hpp"
#include "periprox/session/usbip_client.hpp"

namespace periprox::service {
namespace {

constexpr auto kConnectTimeout = std::chrono::seconds(10);

using DeviceResult = Result<std::shared_ptr<usb::Device>>;
using ListResult = Result<std::vector<session::ListedDevice>>;

/// What a server says is shown to a person, together with where it was said.
Error at_server(Error error, const std::string& server) {
  error.what = printable(error.what + " (" + server + ")");
  error.why = printable(error.why);
  return error;
}

std::string what_is_sought(const RemoteLocator& locator) {
  return "cannot find " + printable(physical::format_locator(locator.device)) + " at " +
         locator.server.text();
}

constexpr std::string_view kHowToLook =
    "`periprox list` with the server's address shows what it offers";

std::vector<std::string> matching_busids(const std::vector<session::ListedDevice>& listed,
                                         const physical::Locator& wanted) {
  std::vector<std::string> busids;
  for (const auto& device : listed) {
    if (device.record.idVendor != wanted.idVendor) continue;
    if (device.record.idProduct != wanted.idProduct) continue;
    busids.emplace_back(wire::usbip::name_in(device.record.busid).value_or(""));
  }
  return busids;
}

Result<std::string> the_only_match(const std::vector<std::string>& busids,
                                   const RemoteLocator& locator) {
  if (busids.size() == 1) return busids.front();
  if (busids.empty()) {
    return fail(Error::Kind::NotFound, what_is_sought(locator),
                "the server has no such device, or it is in use", std::string(kHowToLook));
  }
  std::string all;
  for (const auto& busid : busids) all += (all.empty() ? "" : ", ") + printable(busid, 31);
  return fail(Error::Kind::Usage, what_is_sought(locator), "more than one device matches: " + all,
              "name one by its bus id, or add @SERIAL");
}

bool is_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace

/// Outlived by callbacks, which find out by a weak pointer.
struct RemoteOpener::Shared : std::enable_shared_from_this<RemoteOpener::Shared> {
  /// The pump of a connection that has not answered yet is owned by `waiting`.
  using Connection = std::shared_ptr<link::Pump>;

  Shared(Loop& the_loop, Duration the_limit) : loop(the_loop), silence_limit(the_limit) {}

  /// Connects and calls `start` with the socket; `failed` with the error.
  void connect(const link::Address& server, std::function<void(UniqueFd)> start,
               std::function<void(Error)> failed) {
    link::connect(
        loop, server, kConnectTimeout,
        [self = weak_from_this(), start = std::move(start),
         failed = std::move(failed)](Result<UniqueFd> socket) {
          const auto opener = self.lock();
          if (!opener) return;
          if (socket) {
            start(std::move(*socket));
          } else {
            opener->loop.post([self, failed, error = std::move(socket).error()] {
              if (self.lock()) failed(error);
            });
          }
        },
        silence_limit);
  }

  /// Drives `protocol` until it answers; give answered() its pump then.
  link::Pump* drive(UniqueFd socket, std::unique_ptr<Protocol> protocol) {
    return wait_for(std::make_shared<link::Pump>(loop, std::move(socket), std::move(protocol),
                                                 [](Protocol&) {}));
  }

  /// The same through a child, which lives as long as its connection.
  link::Pump* drive_child(link::Child child, std::unique_ptr<Protocol> protocol) {
    struct Carried {
      Carried(Loop& loop, link::Child the_child, std::unique_ptr<Protocol> protocol)
          : child(std::move(the_child)),
            pump(loop, child.take_socket(), std::move(protocol), [](Protocol&) {}) {}
      link::Child child;
      link::Pump pump;  // Goes first: the child sees the end of its input before it is told to end.
    };
    const auto carried = std::make_shared<Carried>(loop, std::move(child), std::move(protocol));
    return wait_for(Connection(carried, &carried->pump));
  }

  link::Pump* wait_for(Connection pump) {
    auto* raw = pump.get();
    waiting.insert(std::move(pump));
    return raw;
  }

  Connection answered(const link::Pump* pump) {
    for (auto it = waiting.begin(); it != waiting.end(); ++it) {
      if (it->get() == pump) return waiting.extract(it).value();
    }
    return {};
  }

  void list(const link::Address& server, std::function<void(ListResult)> done) {
    const auto start = [this, server, done](UniqueFd socket) {
      const auto pump = std::make_shared<link::Pump*>(nullptr);
      auto listed = [self = weak_from_this(), pump, server, done](ListResult result) {
        const auto opener = self.lock();
        if (!opener) return;
        opener->loop.post([self, pump, server, done, result = std::move(result)]() mutable {
          const auto living = self.lock();
          if (!living) return;
          living->answered(*pump).reset();
          if (!result)
            result = tl::make_unexpected(at_server(std::move(result).error(), server.text()));
          done(std::move(result));
        });
      };
      *pump = drive(std::move(socket),
                    std::make_unique<session::DevlistClient>(loop.now(), std::move(listed)));
    };
    connect(server, start, [done](Error error) { done(tl::make_unexpected(std::move(error))); });
  }

  void import_busid(const link::Address& server, const std::string& busid,
                    std::function<void(DeviceResult)> done) {
    const auto start = [this, server, busid, done](UniqueFd socket) {
      auto client = std::make_unique<session::UsbipClient>(busid, loop.now());
      auto* device = client.get();
      await_ready(*device, server.text(), done,
                  [&](auto* pump) { *pump = drive(std::move(socket), std::move(client)); });
    };
    connect(server, start, [done](Error error) { done(tl::make_unexpected(std::move(error))); });
  }

  /// Hands out `device` when it may be used. `start` drives it and sets the pump that does.
  void await_ready(session::UsbipClient& device, const std::string& where,
                   std::function<void(DeviceResult)> done,
                   const std::function<void(link::Pump**)>& start) {
    const auto pump = std::make_shared<link::Pump*>(nullptr);
    device.on_ready([self = weak_from_this(), pump, where, &device,
                     done = std::move(done)](Result<void> ready) {
      const auto opener = self.lock();
      if (!opener) return;
      opener->loop.post([self, pump, where, &device, done, ready = std::move(ready)]() mutable {
        const auto living = self.lock();
        if (!living) return;
        auto connection = living->answered(*pump);
        if (ready) {
          done(std::shared_ptr<usb::Device>(std::move(connection), &device));
          return;
        }
        connection.reset();
        done(tl::make_unexpected(at_server(std::move(ready).error(), where)));
      });
    });
    start(pump.get());
  }

  void open_command(const std::string& command, std::function<void(DeviceResult)> done) {
    auto started = link::Child::start(command);
    if (!started) {
      loop.post([done, error = started.error()] { done(tl::make_unexpected(error)); });
      return;
    }
    auto client = std::make_unique<session::UsbipClient>(loop.now());
    auto* device = client.get();
    await_ready(*device, command, std::move(done),
                [&](auto* pump) { *pump = drive_child(std::move(*started), std::move(client)); });
  }

  void open_descriptor(int fd, std::function<void(DeviceResult)> done) {
    UniqueFd in(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    const bool both_ways = is_socket(fd);
    UniqueFd out(both_ways || fd != STDIN_FILENO ? -1 : ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!in || (!both_ways && !out)) {
      loop.post([done, fd] {
        done(fail(Error::Kind::Usage, "cannot use descriptor " + std::to_string(fd),
                  "it is not open, or no socket",
                  "start periprox with a connected socket there, e.g. with socat or qrexec"));
      });
      return;
    }
    auto client = std::make_unique<session::UsbipClient>(loop.now());
    auto* device = client.get();
    await_ready(*device, "descriptor " + std::to_string(fd), std::move(done), [&](auto* pump) {
      *pump = wait_for(std::make_shared<link::Pump>(loop, std::move(in), std::move(out),
                                                    std::move(client), [](Protocol&) {}));
    });
  }

  /// Finds out the device's bus id, and calls `start` with it; or `failed`.
  void resolve(const RemoteLocator& locator, std::function<void(const std::string&)> start,
               std::function<void(Error)> failed) {
    if (!locator.device.busid.empty()) {
      start(locator.device.busid);
      return;
    }
    list(locator.server,
         [locator, start = std::move(start), failed = std::move(failed)](ListResult listed) {
           if (!listed) {
             failed(std::move(listed).error());
             return;
           }
           const auto busid = the_only_match(matching_busids(*listed, locator.device), locator);
           if (busid) {
             start(*busid);
           } else {
             failed(busid.error());
           }
         });
  }

  void import_connection(const RemoteLocator& locator, ConnectionDone done) {
    const auto failed = [done](Error error) { done(tl::make_unexpected(std::move(error))); };
    resolve(
        locator,
        [this, server = locator.server, done, failed](const std::string& busid) {
          connect(
              server,
              [server, busid, done](UniqueFd socket) {
                auto imported = exchange_import(std::move(socket), busid, kConnectTimeout);
                if (!imported) {
                  imported =
                      tl::make_unexpected(at_server(std::move(imported).error(), server.text()));
                }
                done(std::move(imported));
              },
              failed);
        },
        failed);
  }

  /// Imports candidates until one has the serial number; the others are given back at once.
  void try_candidates(const RemoteLocator& locator, std::vector<std::string> busids,
                      std::function<void(DeviceResult)> done) {
    if (busids.empty()) {
      done(fail(Error::Kind::NotFound, what_is_sought(locator),
                "none of those that the server can export now has that serial number",
                std::string(kHowToLook)));
      return;
    }
    const auto busid = std::move(busids.back());
    busids.pop_back();
    import_busid(
        locator.server, busid,
        [this, locator, busids = std::move(busids), done = std::move(done)](DeviceResult device) {
          if (device && (*device)->model().serial_number == *locator.device.serial_number) {
            done(std::move(device));
            return;
          }
          device = tl::make_unexpected(Error{});  // Hangs up.
          try_candidates(locator, busids, done);
        });
  }

  void find_by_ids(const RemoteLocator& locator, std::function<void(DeviceResult)> done) {
    list(locator.server, [this, locator, done = std::move(done)](ListResult listed) {
      if (!listed) {
        done(forward_error(listed));
        return;
      }
      auto busids = matching_busids(*listed, locator.device);
      if (!busids.empty() && locator.device.serial_number) {
        try_candidates(locator, std::move(busids), done);
        return;
      }
      const auto busid = the_only_match(busids, locator);
      if (busid) {
        import_busid(locator.server, *busid, done);
      } else {
        done(tl::make_unexpected(busid.error()));
      }
    });
  }

  Loop& loop;
  Duration silence_limit;
  std::set<Connection> waiting;
};

RemoteOpener::RemoteOpener(Loop& loop, Duration silence_limit)
    : shared_(std::make_shared<Shared>(loop, silence_limit)) {}
RemoteOpener::~RemoteOpener() = default;

namespace {

/// Hands a device on as what a locator led to.
std::function<void(DeviceResult)> as_opened(RemoteOpener::DeviceDone done) {
  return [done = std::move(done)](DeviceResult device) {
    if (!device) {
      done(forward_error(device));
      return;
    }
    const auto& client = dynamic_cast<const session::UsbipClient&>(**device);
    OpenedDevice opened{.device = std::move(*device)};
    opened.devid = client.address().devid();
    done(std::move(opened));
  };
}

}  // namespace

void RemoteOpener::open(const RemoteLocator& locator, DeviceDone done) {
  auto opened = as_opened(std::move(done));
  if (locator.device.busid.empty()) {
    shared_->find_by_ids(locator, std::move(opened));
  } else {
    shared_->import_busid(locator.server, locator.device.busid, std::move(opened));
  }
}

void RemoteOpener::open(const CommandLocator& locator, DeviceDone done) {
  shared_->open_command(locator.command, as_opened(std::move(done)));
}

void RemoteOpener::open(const DescriptorLocator& locator, DeviceDone done) {
  shared_->open_descriptor(locator.fd, as_opened(std::move(done)));
}

void RemoteOpener::import_connection(const RemoteLocator& locator, ConnectionDone done) {
  shared_->import_connection(locator, std::move(done));
}

void RemoteOpener::list(const link::Address& server, ListDone done) {
  shared_->list(server, std::move(done));
}

}  // namespace periprox::service
