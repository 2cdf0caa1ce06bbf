// Exports devices over rings: a session for each process that connects to a Unix socket, and one
// for each block of memory that is shared with another machine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/link/memory_pump.hpp"
#include "periprox/link/shared_memory.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/service/event.hpp"
#include "periprox/service/ring_address.hpp"
#include "periprox/service/session_end.hpp"
#include "periprox/session/exports.hpp"
#include "periprox/session/ring_server.hpp"

namespace periprox::service {

struct RingExporterOptions {
  /// Most connections to sockets at a time: each holds an arena.
  std::size_t connections = 64;
  session::RingLimits session;
  /// How long close() waits for sessions to end before it drops them.
  Duration farewell = std::chrono::milliseconds(700);
};

/// Serves the devices of `exports`. Single-threaded, on `loop`; both outlive it.
class RingExporter final {
 public:
  RingExporter(Loop& loop, session::Exports& exports, EventSink events,
               RingExporterOptions options = {});
  /// Drops every session at once.
  ~RingExporter();
  RingExporter(const RingExporter&) = delete;
  RingExporter& operator=(const RingExporter&) = delete;

  /// Offers one more ring. Memory that is shared with another machine is offered again whenever an
  /// importer has left.
  Result<void> listen(const RingAddress& address);

  /// Stops offering and ends all sessions; `done` is called once, when the last one has ended.
  void close(std::function<void()> done);

  [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }

 private:
  using SessionId = std::uint64_t;
  struct Session {
    std::string peer;
    std::unique_ptr<link::MemoryPump> pump;
    const session::RingServer* protocol = nullptr;
    /// The memory to offer again afterwards; null for a process' own.
    std::shared_ptr<const std::pair<RingAddress, link::SharedMemory>> lasting;
  };

  void accepted(const RingAddress& address, link::Accepted connection);
  Result<void> hand_over(const RingAddress& address, link::Accepted& connection);
  Result<void> start(const RingAddress& address, const link::SharedMemory& memory, std::string peer,
                     UniqueFd channel,
                     std::shared_ptr<const std::pair<RingAddress, link::SharedMemory>> lasting);
  void ended(SessionId id);

  Loop& loop_;
  session::Exports& exports_;
  EventSink events_;
  RingExporterOptions options_;
  link::Spinner spinner_;
  std::vector<link::Listener> listeners_;
  SessionId last_id_ = 0;
  std::map<SessionId, Session> sessions_;
  std::size_t connections_ = 0;
  Farewell farewell_;
};

}  // namespace periprox::service
