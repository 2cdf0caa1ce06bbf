#include "periprox/service/ring_exporter.hpp"

#include <bit>
#include <utility>

#include "periprox/link/pass_descriptor.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/service/ring_memory.hpp"

namespace periprox::service {

using wire::ring::Hello;

RingExporter::RingExporter(Loop& loop, session::Exports& exports, EventSink events,
                           RingExporterOptions options)
    : loop_(loop),
      exports_(exports),
      events_(std::move(events)),
      options_(options),
      spinner_(loop),
      farewell_(loop) {}

RingExporter::~RingExporter() = default;

Result<void> RingExporter::listen(const RingAddress& address) {
  if (address.cpu) {
    if (auto pinned = link::pin_thread(*address.cpu); !pinned) return pinned;
  }
  if (address.kind == RingAddress::Kind::Socket) {
    const link::Address socket{.kind = link::Address::Kind::Unix, .path = address.place};
    auto listener = link::Listener::open(loop_, socket, [this, address](link::Accepted connection) {
      accepted(address, std::move(connection));
    });
    if (!listener) return forward_error(listener);
    listeners_.push_back(std::move(*listener));
    return {};
  }
  // A power of two, as the size of a BAR.
  const auto size =
      std::bit_ceil(wire::ring::memory_for(address.arena, wire::ring::kDefaultEntries));
  auto memory = map_ring(address, size);
  if (!memory) return forward_error(memory);
  auto lasting = std::make_shared<const std::pair<RingAddress, link::SharedMemory>>(
      address, std::move(*memory));
  return start(address, lasting->second, address.text(), {}, lasting);
}

void RingExporter::accepted(const RingAddress& address, link::Accepted connection) {
  if (farewell_.begun()) return;
  if (connections_ >= options_.connections) {
    events_({.kind = Event::Kind::Overload,
             .level = Event::Level::Warning,
             .text = connection.peer + " was disconnected: too many rings",
             .peer = connection.peer});
    return;
  }
  if (auto handed = hand_over(address, connection); !handed) {
    events_({.kind = Event::Kind::Ended,
             .level = Event::Level::Warning,
             .text = connection.peer + " did not get a ring: " + handed.error().text(),
             .peer = connection.peer});
  }
}

Result<void> RingExporter::hand_over(const RingAddress& address, link::Accepted& connection) {
  auto memory = link::create_shared_memory(
      wire::ring::memory_for(address.arena, wire::ring::kDefaultEntries));
  if (!memory) return forward_error(memory);
  const int socket = connection.socket.get();
  const Hello hello{.memory_size = memory->first.bytes.size()};
  // Formatted first: the importer may look at once.
  if (auto started =
          start(address, memory->first, connection.peer, std::move(connection.socket), nullptr);
      !started) {
    return started;
  }
  auto sent = link::send_descriptor(socket, bytes_of(hello), memory->second.get());
  if (!sent) sessions_[last_id_].pump->close();
  return sent;
}

Result<void> RingExporter::start(
    const RingAddress& address, const link::SharedMemory& memory, std::string peer,
    UniqueFd channel, std::shared_ptr<const std::pair<RingAddress, link::SharedMemory>> lasting) {
  const auto layout = wire::ring::plan_layout(memory.bytes.size());
  if (!layout) return tl::make_unexpected(layout.error());
  const SessionId id = ++last_id_;
  auto& session = sessions_[id];
  session.peer = std::move(peer);
  session.lasting = std::move(lasting);
  if (!session.lasting) ++connections_;
  auto protocol = std::make_unique<session::RingServer>(
      ring_memory(memory), *layout, exports_, session.peer, loop_.now(), session.lasting != nullptr,
      address.limits(options_.session));
  session.protocol = protocol.get();
  session.pump = std::make_unique<link::MemoryPump>(
      loop_, spinner_, std::move(channel), std::move(protocol),
      link::MemoryWaiting{.spin = address.spin}, [this, id](MemoryProtocol&) { ended(id); });
  events_({.kind = Event::Kind::Connected,
           .level = Event::Level::Detail,
           .text = session.lasting ? session.peer + " is offered" : session.peer + " connected",
           .peer = session.peer});
  return {};
}

void RingExporter::ended(SessionId id) {
  auto node = sessions_.extract(id);
  auto& session = node.mapped();
  events_(session_ended(session.peer, session.protocol->failure(), session.protocol->lease(),
                        farewell_.begun() ? "the server stops" : "it left"));
  session.pump.reset();  // Gives the device back.
  if (!session.lasting) --connections_;
  if (session.lasting && !farewell_.begun()) {
    const auto again = session.lasting;
    if (auto started = start(again->first, again->second, session.peer, {}, again); !started) {
      events_({.kind = Event::Kind::Ended,
               .level = Event::Level::Warning,
               .text = session.peer + " is offered no more: " + started.error().text(),
               .peer = session.peer});
    }
  }
  if (sessions_.empty()) farewell_.over();
}

void RingExporter::close(std::function<void()> done) {
  listeners_.clear();
  farewell_.begin(
      sessions_.empty() ? Duration{} : options_.farewell, [this] { sessions_.clear(); },
      std::move(done));
  for (auto& [id, session] : sessions_) session.pump->close();
}

}  // namespace periprox::service
