// How it works: connect, let a Pump drive the sans-IO client, and hand out the client as the
// device, sharing ownership of the Pump. Callbacks of protocols are posted to the loop first,
// because a Pump may not be destroyed from within its protocol.
#include "periprox/service/remote_opener.hpp"

#include <set>
#include <string>
#include <utility>

#include "periprox/link/loop.hpp"
#include "periprox/link/pump.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/session/devlist_client.hpp"
#include "periprox/session/usbip_client.hpp"

namespace periprox::service {
namespace {

constexpr auto kConnectTimeout = std::chrono::seconds(10);

using DeviceResult = Result<std::shared_ptr<usb::Device>>;
using ListResult = Result<std::vector<session::ListedDevice>>;

/// What a server says is shown to a person, together with where it was said.
Error at_server(Error error, const link::Address& server) {
  error.what = printable(error.what + " (" + server.text() + ")");
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

}  // namespace

/// Outlived by callbacks, which find out by a weak pointer.
struct RemoteOpener::Shared : std::enable_shared_from_this<RemoteOpener::Shared> {
  /// The pump of a connection that has not answered yet is owned by `waiting`.
  using Connection = std::shared_ptr<link::Pump>;

  explicit Shared(link::Loop& the_loop) : loop(the_loop) {}

  /// Connects and calls `start` with the socket; `failed` with the error.
  void connect(const link::Address& server, std::function<void(UniqueFd)> start,
               std::function<void(Error)> failed) {
    link::connect(loop, server, kConnectTimeout,
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
                  });
  }

  /// Drives `protocol` until it answers; give answered() its pump then.
  link::Pump* drive(UniqueFd socket, std::unique_ptr<Protocol> protocol) {
    const Connection pump(
        new link::Pump(loop, std::move(socket), std::move(protocol), [](Protocol&) {}));
    waiting.insert(pump);
    return pump.get();
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
          if (!result) result = tl::make_unexpected(at_server(std::move(result).error(), server));
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
      const auto pump = std::make_shared<link::Pump*>(nullptr);
      device->on_ready([self = weak_from_this(), pump, server, device, done](Result<void> ready) {
        const auto opener = self.lock();
        if (!opener) return;
        opener->loop.post([self, pump, server, device, done, ready = std::move(ready)]() mutable {
          const auto living = self.lock();
          if (!living) return;
          auto connection = living->answered(*pump);
          if (ready) {
            done(std::shared_ptr<usb::Device>(std::move(connection), device));
            return;
          }
          connection.reset();
          done(tl::make_unexpected(at_server(std::move(ready).error(), server)));
        });
      });
      *pump = drive(std::move(socket), std::move(client));
    };
    connect(server, start, [done](Error error) { done(tl::make_unexpected(std::move(error))); });
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
      if (busids.empty()) {
        done(fail(Error::Kind::NotFound, what_is_sought(locator),
                  "the server has no such device, or it is in use", std::string(kHowToLook)));
      } else if (locator.device.serial_number) {
        try_candidates(locator, std::move(busids), done);
      } else if (busids.size() == 1) {
        import_busid(locator.server, busids.front(), done);
      } else {
        std::string all;
        for (const auto& busid : busids) all += (all.empty() ? "" : ", ") + printable(busid, 31);
        done(fail(Error::Kind::Usage, what_is_sought(locator),
                  "more than one device matches: " + all,
                  "name one by its bus id, or add @SERIAL"));
      }
    });
  }

  link::Loop& loop;
  std::set<Connection> waiting;
};

RemoteOpener::RemoteOpener(link::Loop& loop) : shared_(std::make_shared<Shared>(loop)) {}
RemoteOpener::~RemoteOpener() = default;

void RemoteOpener::open(const RemoteLocator& locator, DeviceDone done) {
  const auto opened = [done = std::move(done)](DeviceResult device) {
    if (device) {
      done(OpenedDevice{.device = std::move(*device)});
    } else {
      done(forward_error(device));
    }
  };
  if (locator.device.busid.empty()) {
    shared_->find_by_ids(locator, opened);
  } else {
    shared_->import_busid(locator.server, locator.device.busid, opened);
  }
}

void RemoteOpener::list(const link::Address& server, ListDone done) {
  shared_->list(server, std::move(done));
}

}  // namespace periprox::service
