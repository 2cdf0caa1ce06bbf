// How it works: get the memory, let a MemoryPump drive the sans-IO client in it, and hand out the
// client as the device, sharing ownership of the pump. Callbacks of the client are posted to the
// loop first, because a pump may not be destroyed from within its protocol.
#include "periprox/service/ring_opener.hpp"

#include <random>
#include <set>
#include <utility>

#include "periprox/link/memory_pump.hpp"
#include "periprox/link/pass_descriptor.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/service/ring_memory.hpp"
#include "periprox/session/ring_client.hpp"

namespace periprox::service {
namespace {

using session::ListedDevice;
using wire::ring::Hello;

constexpr auto kConnectTimeout = std::chrono::seconds(10);

/// A ring that was joined, and what drives it.
struct Connection {
  std::shared_ptr<link::Spinner> spinner;
  session::RingClient* client = nullptr;
  std::unique_ptr<link::MemoryPump> pump;
};
using ConnectionPtr = std::shared_ptr<Connection>;

Error at_ring(Error error, const RingAddress& address) {
  error.what = printable(error.what + " (" + address.text() + ")");
  error.why = printable(error.why);
  return error;
}

Result<link::SharedMemory> map_handed_over(link::PassedDescriptor& passed) {
  const auto hello = read_as<Hello>(passed.message).value_or(Hello{.magic = std::uint64_t{0}});
  if (hello.magic != wire::ring::kMagic || hello.memory_size > wire::ring::kLargestMemory ||
      hello.memory_size < sizeof(wire::ring::ControlBlock)) {
    return fail(Error::Kind::Malformed, "the server did not hand over its memory",
                "what it sent is something else", "check that it listens on ring://");
  }
  return link::map_sealed(std::move(passed.fd), hello.memory_size);
}

/// The one device in the list that has these ids.
Result<std::string> busid_of(const std::vector<ListedDevice>& listed, const RingLocator& wanted) {
  std::string busid;
  std::size_t matches = 0;
  for (const auto& device : listed) {
    if (device.record.idVendor != wanted.device.idVendor ||
        device.record.idProduct != wanted.device.idProduct) {
      continue;
    }
    busid = wire::usbip::name_in(device.record.busid).value_or("");
    ++matches;
  }
  if (matches == 1 && !wanted.device.serial_number) return busid;
  const auto what = "cannot find " + printable(physical::format_locator(wanted.device)) + " at " +
                    wanted.ring.text();
  if (matches == 0) {
    return fail(Error::Kind::NotFound, what, "the exporter has no such device, or it is in use",
                "`periprox list` with the ring's address shows what it offers");
  }
  return fail(Error::Kind::Usage, what,
              matches == 1 ? "a ring's list has no serial numbers" : "more than one device matches",
              "name it by its bus id");
}

}  // namespace

/// Outlived by callbacks, which find out by a weak pointer.
struct RingOpener::Shared : std::enable_shared_from_this<RingOpener::Shared> {
  explicit Shared(Loop& the_loop)
      : loop(the_loop), spinner(std::make_shared<link::Spinner>(the_loop)) {}

  using Joined = std::function<void(Result<ConnectionPtr>)>;

  /// Gets the memory, and a client in it; `done` is called on the loop, not from within this.
  void join(const RingAddress& address, Joined done) {
    if (address.cpu) {
      if (auto pinned = link::pin_thread(*address.cpu); !pinned) {
        loop.post([done, error = std::move(pinned).error()] { done(tl::make_unexpected(error)); });
        return;
      }
    }
    if (address.kind == RingAddress::Kind::Socket) return connect(address, std::move(done));
    loop.post([self = weak_from_this(), address, done = std::move(done)] {
      const auto opener = self.lock();
      if (!opener) return;
      auto memory = map_ring(address, 0);
      if (memory) {
        done(opener->start(address, *memory, {}));
      } else {
        done(forward_error(memory));
      }
    });
  }

  void connect(const RingAddress& address, Joined done) {
    const link::Address socket{.kind = link::Address::Kind::Unix, .path = address.place};
    link::connect(
        loop, socket, kConnectTimeout,
        [self = weak_from_this(), address, done = std::move(done)](Result<UniqueFd> connected) {
          const auto opener = self.lock();
          if (!opener) return;
          if (!connected) {
            opener->loop.post(
                [done, error = std::move(connected).error()] { done(tl::make_unexpected(error)); });
            return;
          }
          link::receive_descriptor(
              opener->loop, std::move(*connected), sizeof(Hello), kConnectTimeout,
              [self, address, done](Result<link::PassedDescriptor> passed) {
                const auto living = self.lock();
                if (!living) return;
                if (!passed) return done(tl::make_unexpected(std::move(passed).error()));
                auto memory = map_handed_over(*passed);
                if (!memory) return done(forward_error(memory));
                done(living->start(address, *memory, std::move(passed->socket)));
              });
        });
  }

  ConnectionPtr start(const RingAddress& address, const link::SharedMemory& memory,
                      UniqueFd channel) {
    auto connection = std::make_shared<Connection>();
    connection->spinner = spinner;
    auto client = std::make_unique<session::RingClient>(ring_memory(memory), std::random_device{}(),
                                                        loop.now(), address.limits());
    connection->client = client.get();
    connection->pump = std::make_unique<link::MemoryPump>(
        loop, *spinner, std::move(channel), std::move(client),
        link::MemoryWaiting{.spin = address.spin}, [](MemoryProtocol&) {});
    waiting.insert(connection);
    return connection;
  }

  /// Calls `done` from the loop, with the connection in hand; what was not kept is closed.
  template <typename T>
  auto posted(const RingAddress& address, const ConnectionPtr& connection,
              std::function<void(ConnectionPtr, Result<T>)> done) {
    // The client holds this, and the connection holds the client: no shared ownership here.
    return [self = weak_from_this(), address, weak = std::weak_ptr(connection),
            done = std::move(done)](Result<T> result) {
      const auto opener = self.lock();
      if (!opener) return;
      opener->loop.post([self, address, weak, done, result = std::move(result)]() mutable {
        const auto living = self.lock();
        auto kept = weak.lock();
        if (!living || !kept) return;
        living->waiting.erase(kept);
        if (!result) result = tl::make_unexpected(at_ring(std::move(result).error(), address));
        done(std::move(kept), std::move(result));
      });
    };
  }

  void list(const RingAddress& address, ListDone done) {
    join(address, [self = weak_from_this(), address, done](Result<ConnectionPtr> joined) {
      const auto opener = self.lock();
      if (!opener) return;
      if (!joined) return done(tl::make_unexpected(std::move(joined).error()));
      (*joined)->client->list(opener->posted<std::vector<ListedDevice>>(
          address, *joined, [done](ConnectionPtr connection, auto listed) {
            connection.reset();
            done(std::move(listed));
          }));
    });
  }

  void import(const RingAddress& address, const ConnectionPtr& connection, std::string busid,
              DeviceDone done) {
    waiting.insert(connection);
    connection->client->import(
        std::move(busid),
        posted<void>(address, connection, [done](ConnectionPtr kept, Result<void> imported) {
          if (!imported) {
            kept.reset();
            return done(tl::make_unexpected(std::move(imported).error()));
          }
          auto* const device = kept->client;
          done(OpenedDevice{.device = std::shared_ptr<usb::Device>(std::move(kept), device)});
        }));
  }

  void open(const RingLocator& locator, DeviceDone done) {
    join(locator.ring, [self = weak_from_this(), locator, done](Result<ConnectionPtr> joined) {
      const auto opener = self.lock();
      if (!opener) return;
      if (!joined) return done(tl::make_unexpected(std::move(joined).error()));
      if (!locator.device.busid.empty()) {
        return opener->import(locator.ring, *joined, locator.device.busid, done);
      }
      (*joined)->client->list(opener->posted<std::vector<ListedDevice>>(
          locator.ring, *joined, [self, locator, done](ConnectionPtr connection, auto listed) {
            const auto living = self.lock();
            if (!living) return;
            if (!listed) return done(tl::make_unexpected(std::move(listed).error()));
            auto busid = busid_of(*listed, locator);
            if (!busid) return done(tl::make_unexpected(std::move(busid).error()));
            living->import(locator.ring, connection, std::move(*busid), done);
          }));
    });
  }

  Loop& loop;
  std::shared_ptr<link::Spinner> spinner;
  std::set<ConnectionPtr> waiting;  // For an answer.
};

RingOpener::RingOpener(Loop& loop) : shared_(std::make_shared<Shared>(loop)) {}
RingOpener::~RingOpener() = default;

void RingOpener::open(const RingLocator& locator, DeviceDone done) {
  shared_->open(locator, std::move(done));
}

void RingOpener::list(const RingAddress& address, ListDone done) {
  shared_->list(address, std::move(done));
}

}  // namespace periprox::service
