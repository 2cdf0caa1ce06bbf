// One connection of somebody who watches what passes an exported device.
//
// It sends one line and gets an answer:
//
//   list\n                  what is exported: one line, as the server describes itself
//   watch BUSID SNAPLEN\n   a capture of that device (pcapng), SNAPLEN bytes of each transfer, from
//                           here on; or the line "error WHY"
//
// A capture goes on until the watcher closes its half of the connection, or the device is gone:
// then what is left is written, and the connection ends. The session itself only asks and ends;
// the bytes of a capture are written by the capture's own thread, so that a slow watcher holds up
// nobody.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "periprox/base/protocol.hpp"

namespace periprox::service {

/// A capture on its way to a watcher. Ends at once when it is destroyed.
class WatchFeed {
 public:
  virtual ~WatchFeed() = default;
  /// Nothing more is captured; what is left is still written.
  virtual void stop() = 0;
  /// What is left is dropped.
  virtual void give_up() = 0;
};

/// What a session asks its server.
class WatchedServer {
 public:
  /// The server and its devices in one line, with its end.
  [[nodiscard]] virtual std::string describe() = 0;
  /// Begins a capture to the session's connection; the session's feed_ended() is called later.
  [[nodiscard]] virtual Result<std::unique_ptr<WatchFeed>> start(std::string_view busid,
                                                                 std::uint32_t snap_length) = 0;

 protected:
  ~WatchedServer() = default;
};

/// Sans-IO, like every session.
class WatchSession final : public Protocol {
 public:
  /// `server` outlives the session.
  WatchSession(WatchedServer& server, TimePoint now);

  /// The device is gone: the capture ends.
  void device_gone();
  /// All of the capture is written, or cannot be.
  void feed_ended();
  [[nodiscard]] bool is_watching() const { return feed_ != nullptr; }

  // Protocol
  void set_waker(Waker* waker) override { waker_ = waker; }
  std::span<const MutableBytes> receive_into() override;
  void received(std::size_t count) override;
  void receive_ended(std::optional<Error> error) override;
  std::size_t gather(std::span<Bytes> segments) override;
  void written(std::size_t count) override { written_ += count; }
  [[nodiscard]] std::optional<TimePoint> wake_at() const override;
  void woken(TimePoint now) override;
  void close() override;
  [[nodiscard]] bool finished() const override { return state_ == State::Ended; }
  [[nodiscard]] const std::optional<Error>& failure() const override { return failure_; }

  static constexpr std::size_t kLongestRequest = 256;

 private:
  enum class State : std::uint8_t { Asked, Feeding, Stopping, Ended };

  void take_request(std::string_view line);
  void answer(std::string text);
  void stop_feed();

  WatchedServer& server_;
  Waker* waker_ = nullptr;
  State state_ = State::Asked;
  TimePoint deadline_;
  std::array<std::byte, kLongestRequest> room_{};
  std::size_t filled_ = 0;
  MutableBytes place_;
  std::string answer_;
  std::size_t written_ = 0;
  std::unique_ptr<WatchFeed> feed_;
  std::optional<Error> failure_;
};

}  // namespace periprox::service
