// A USB/IP server: listeners, and a session for each connection.
//
// Connections that use a device are as many as there are devices. The others, which have asked for
// nothing yet, are bounded: when a newcomer makes one too many, the one that has waited longest
// goes. So a flood of idle connections neither exhausts descriptors nor keeps anybody out, because
// a client that means it asks at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/service/event.hpp"
#include "periprox/service/log_throttle.hpp"
#include "periprox/service/session_end.hpp"
#include "periprox/session/exports.hpp"
#include "periprox/session/usbip_server.hpp"

namespace periprox {
class Loop;
}
namespace periprox::link {
class Pump;
}  // namespace periprox::link

namespace periprox::service {

struct ServerOptions {
  /// Most connections that use no device, together and from one peer (host or user).
  std::size_t waiting = 1024;
  std::size_t waiting_per_peer = 256;
  session::ServerLimits session;
  /// How long close() waits for sessions to end before it drops them.
  Duration farewell = std::chrono::milliseconds(700);
};

/// Serves the devices of `exports`. Single-threaded, on `loop`; both outlive it.
class Server final {
 public:
  Server(Loop& loop, session::Exports& exports, EventSink events, ServerOptions options = {});
  /// Drops every connection at once.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Listens at one more address; returns where it really listens.
  Result<link::Address> listen(const link::Address& address);

  /// Stops listening and ends all sessions; `done` is called once, when the last one has ended.
  void close(std::function<void()> done);

  /// Connections now, and how many of them use a device.
  [[nodiscard]] std::size_t connections() const { return sessions_.size(); }
  [[nodiscard]] std::size_t using_devices() const;

 private:
  using SessionId = std::uint64_t;
  struct Session {
    std::string peer;
    std::string peer_host;  ///< What the bound per peer counts by.
    std::unique_ptr<link::Pump> pump;
    const session::UsbipServer* protocol = nullptr;
  };
  using Sessions = std::map<SessionId, Session>;

  void accepted(link::Accepted connection);
  void make_room(const std::string& peer_host);
  void ended(SessionId id);
  void drop(Sessions::iterator victim);
  void report(Event event);

  Loop& loop_;
  session::Exports& exports_;
  EventSink events_;
  ServerOptions options_;
  LogThrottle throttle_;
  std::vector<link::Listener> listeners_;
  SessionId last_id_ = 0;
  Sessions sessions_;  // In the order of connecting.
  Farewell farewell_;
};

}  // namespace periprox::service
