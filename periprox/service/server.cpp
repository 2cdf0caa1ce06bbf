#include "periprox/service/server.hpp"

#include <utility>

#include "periprox/link/pump.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::service {
namespace {

constexpr std::uint32_t kLinesAtOnce = 50;
constexpr auto kLinesPeriod = std::chrono::seconds(1);

/// "127.0.0.1" of "127.0.0.1:4711", "uid 1000" of "uid 1000, pid 4711".
std::string host_of(const std::string& peer) {
  const auto comma = peer.find(',');
  return peer.substr(0, comma != std::string::npos ? comma : peer.rfind(':'));
}

}  // namespace

Server::Server(Loop& loop, session::Exports& exports, EventSink events, ServerOptions options)
    : loop_(loop),
      exports_(exports),
      events_(std::move(events)),
      options_(options),
      throttle_(kLinesAtOnce, kLinesPeriod),
      farewell_(loop) {}

Server::~Server() = default;

Result<link::Address> Server::listen(const link::Address& address) {
  auto listener = link::Listener::open(
      loop_, address, [this](link::Accepted connection) { accepted(std::move(connection)); });
  if (!listener) return forward_error(listener);
  listeners_.push_back(std::move(*listener));
  return listeners_.back().address();
}

std::size_t Server::using_devices() const {
  std::size_t count = 0;
  for (const auto& [id, session] : sessions_) count += session.protocol->lease() != nullptr ? 1 : 0;
  return count;
}

void Server::accepted(link::Accepted connection) {
  if (farewell_.begun()) return;
  auto host = host_of(connection.peer);
  make_room(host);
  const SessionId id = ++last_id_;
  auto& session = sessions_[id];
  session.peer = std::move(connection.peer);
  session.peer_host = std::move(host);
  report({.kind = Event::Kind::Connected,
          .level = Event::Level::Detail,
          .text = session.peer + " connected",
          .peer = session.peer});
  auto protocol =
      std::make_unique<session::UsbipServer>(exports_, session.peer, loop_.now(), options_.session);
  session.protocol = protocol.get();
  session.pump =
      std::make_unique<link::Pump>(loop_, std::move(connection.socket), std::move(protocol),
                                   [this, id](Protocol&) { ended(id); });
}

/// Drops the longest-waiting connections until one more from `peer_host` is within the bounds.
void Server::make_room(const std::string& peer_host) {
  std::size_t waiting = 0;
  std::size_t waiting_of_peer = 0;
  auto oldest = sessions_.end();
  auto oldest_of_peer = sessions_.end();
  for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
    if (it->second.protocol->lease() != nullptr) continue;
    if (waiting++ == 0) oldest = it;
    if (it->second.peer_host == peer_host && waiting_of_peer++ == 0) oldest_of_peer = it;
  }
  if (waiting_of_peer >= options_.waiting_per_peer) {
    drop(oldest_of_peer);
  } else if (waiting >= options_.waiting) {
    drop(oldest);
  }
}

void Server::drop(Sessions::iterator victim) {
  report(
      {.kind = Event::Kind::Overload,
       .level = Event::Level::Warning,
       .text = victim->second.peer + " was disconnected: too many connections that ask for nothing",
       .peer = victim->second.peer});
  sessions_.erase(victim);
}

void Server::ended(SessionId id) {
  auto node = sessions_.extract(id);
  auto& session = node.mapped();
  report(session_ended(session.peer, session.protocol->failure(), session.protocol->lease(),
                       farewell_.begun() ? "the server stops" : "the connection was closed"));
  session.pump.reset();  // Gives the device back.
  if (sessions_.empty()) farewell_.over();
}

/// Details are free of charge: nobody sees them unless asked for.
void Server::report(Event event) {
  if (event.level != Event::Level::Detail) {
    const auto now = loop_.now();
    if (const auto lines = throttle_.take_suppressed(now)) {
      events_({.kind = Event::Kind::Overload,
               .level = Event::Level::Warning,
               .text = std::to_string(lines) + " lines like these were left out"});
    }
    if (!throttle_.allows(now)) return;
  }
  events_(event);
}

void Server::close(std::function<void()> done) {
  listeners_.clear();
  farewell_.begin(
      sessions_.empty() ? Duration{} : options_.farewell, [this] { sessions_.clear(); },
      std::move(done));
  for (auto& [id, session] : sessions_) session.pump->close();
}

}  // namespace periprox::service
