#include "periprox/service/watch_server.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "periprox/loop/loop.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/stage/capture_file.hpp"
#include "periprox/stage/capture_stage.hpp"

namespace periprox::service {
namespace {

/// Who may read and write the socket: its user and its group.
constexpr mode_t kSocketMode = 0660;

/// A capture that a thread of its own writes to the watcher.
class StreamFeed final : public WatchFeed {
 public:
  StreamFeed(std::unique_ptr<stage::CaptureFile> file, std::weak_ptr<stage::CaptureStage> stage)
      : file_(std::move(file)), stage_(std::move(stage)) {}
  ~StreamFeed() override {
    stop();
    give_up();
  }
  StreamFeed(const StreamFeed&) = delete;
  StreamFeed& operator=(const StreamFeed&) = delete;

  void stop() override {
    if (const auto stage = stage_.lock()) stage->remove(file_->buffer());
    file_->stop();
  }
  void give_up() override { file_->give_up(); }

 private:
  std::unique_ptr<stage::CaptureFile> file_;
  std::weak_ptr<stage::CaptureStage> stage_;
};

}  // namespace

class WatchServer::Session final : public WatchedServer {
 public:
  Session(WatchServer& server, SessionId id, link::Accepted connection)
      : peer(std::move(connection.peer)),
        server_(server),
        id_(id),
        output_(::fcntl(connection.socket.get(), F_DUPFD_CLOEXEC, 3)) {
    auto protocol = std::make_unique<WatchSession>(*this, server.loop_.now());
    protocol_ = protocol.get();
    pump = std::make_unique<link::Pump>(server.loop_, std::move(connection.socket),
                                        std::move(protocol),
                                        [&server, id](Protocol&) { server.ended(id); });
  }

  [[nodiscard]] std::string describe() override { return server_.describe_(); }

  [[nodiscard]] Result<std::unique_ptr<WatchFeed>> start(std::string_view wanted,
                                                         std::uint32_t snap_length) override {
    const auto stage = server_.find(wanted);
    if (!stage || !output_) {
      return fail(Error::Kind::NotFound, "cannot watch '" + printable(wanted, 64) + "'",
                  "no such device is exported");
    }
    auto file = stage::CaptureFile::stream(std::move(output_), "for " + peer,
                                           later([](WatchSession& watch) { watch.feed_ended(); }));
    stage->add(file->buffer(), snap_length,
               later([](WatchSession& watch) { watch.device_gone(); }));
    busid = wanted;
    report(peer + " watches " + busid);
    return std::make_unique<StreamFeed>(std::move(file), stage);
  }

  void report(std::string text) const {
    server_.events_(
        {.kind = Event::Kind::Watched, .text = std::move(text), .busid = busid, .peer = peer});
  }

  const std::string peer;
  std::string busid;  // Of the device that is watched.
  std::unique_ptr<link::Pump> pump;

 private:
  /// A function for any thread that calls `act` on the loop's, if the session is still there then.
  std::function<void()> later(void (*act)(WatchSession&)) {
    return [&server = server_, id = id_, alive = std::weak_ptr(server_.alive_), act] {
      server.loop_.post([&server, id, alive, act] {
        if (alive.expired()) return;
        const auto found = server.sessions_.find(id);
        if (found != server.sessions_.end()) act(*found->second->protocol_);
      });
    };
  }

  WatchServer& server_;
  SessionId id_;
  UniqueFd output_;
  WatchSession* protocol_ = nullptr;
};

WatchServer::WatchServer(Loop& loop, Devices devices, std::function<std::string()> describe,
                         EventSink events)
    : loop_(loop),
      devices_(std::move(devices)),
      describe_(std::move(describe)),
      events_(std::move(events)) {}

WatchServer::~WatchServer() { sessions_.clear(); }

Result<void> WatchServer::listen(const std::filesystem::path& path) {
  auto listener =
      link::Listener::open(loop_, {.kind = link::Address::Kind::Unix, .path = path.string()},
                           [this](link::Accepted connection) { accepted(std::move(connection)); });
  if (!listener) return forward_error(listener);
  listener_ = std::move(*listener);
  if (::chmod(path.c_str(), kSocketMode) != 0) {
    listener_.reset();
    return tl::make_unexpected(errno_error(errno, "cannot listen on " + path.string()));
  }
  return {};
}

void WatchServer::accepted(link::Accepted connection) {
  if (sessions_.size() >= kMostSessions) return;  // Closes it.
  const auto id = ++last_id_;
  sessions_.emplace(id, std::make_unique<Session>(*this, id, std::move(connection)));
}

void WatchServer::ended(SessionId id) {
  const auto node = sessions_.extract(id);
  const auto& session = *node.mapped();
  if (!session.busid.empty()) session.report(session.peer + " watches no more");
  check_closed();
}

std::shared_ptr<stage::CaptureStage> WatchServer::find(std::string_view busid) const {
  for (const auto& entry : devices_()) {
    if (entry.address.busid == busid) return entry.capture.lock();
  }
  return nullptr;
}

void WatchServer::close(std::function<void()> done) {
  closed_ = std::move(done);
  listener_.reset();
  for (const auto& [id, session] : sessions_) session->pump->close();
  check_closed();
}

void WatchServer::check_closed() {
  if (closed_ && sessions_.empty()) std::exchange(closed_, {})();
}

}  // namespace periprox::service
