// Lets others on this machine watch what passes this process' devices: a Unix socket, a session for
// each that connects, a capture stage's target for each that watches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/link/pump.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/service/event.hpp"
#include "periprox/service/export_table.hpp"
#include "periprox/service/watch_session.hpp"

namespace periprox::service {

/// Shows devices that have a capture stage. Single-threaded, on `loop`, which outlives it.
class WatchServer final {
 public:
  using Devices = std::function<std::vector<ExportTable::Entry>()>;

  /// `devices` gives what there is now; `describe` says it in one line with its end.
  WatchServer(Loop& loop, Devices devices, std::function<std::string()> describe, EventSink events);
  /// Ends every capture at once.
  ~WatchServer();
  WatchServer(const WatchServer&) = delete;
  WatchServer& operator=(const WatchServer&) = delete;

  /// Listens on a socket at `path`, for this user and the group of the folder.
  Result<void> listen(const std::filesystem::path& path);
  /// Stops listening and ends all captures in order; `done` is called once.
  void close(std::function<void()> done);

  /// More watchers at a time are refused: each has a thread and a buffer.
  static constexpr std::size_t kMostSessions = 16;

 private:
  using SessionId = std::uint64_t;
  class Session;

  void accepted(link::Accepted connection);
  void ended(SessionId id);
  void check_closed();
  [[nodiscard]] std::shared_ptr<stage::CaptureStage> find(std::string_view busid) const;

  Loop& loop_;
  Devices devices_;
  std::function<std::string()> describe_;
  EventSink events_;
  std::optional<link::Listener> listener_;
  SessionId last_id_ = 0;
  std::map<SessionId, std::unique_ptr<Session>> sessions_;
  std::function<void()> closed_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // For calls that come too late.
};

}  // namespace periprox::service
