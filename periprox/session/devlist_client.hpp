// Asks a USB/IP server which devices it exports. One request, one reply, then the end.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "periprox/base/protocol.hpp"
#include "periprox/session/exports.hpp"
#include "periprox/session/receiver.hpp"
#include "periprox/session/sender.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::session {

/// Sans-IO DEVLIST client.
class DevlistClient final : public Protocol {
 public:
  using Done = std::function<void(Result<std::vector<ListedDevice>>)>;
  /// `done` is called once.
  DevlistClient(TimePoint now, Done done, Duration timeout = std::chrono::seconds(15));

  void set_waker(Waker* /*waker*/) override {}
  std::span<const MutableBytes> receive_into() override;
  void received(std::size_t count) override;
  void receive_ended(std::optional<Error> error) override;
  std::size_t gather(std::span<Bytes> segments) override { return sender_.gather(segments); }
  void written(std::size_t count) override { sender_.written(count); }
  [[nodiscard]] std::optional<TimePoint> wake_at() const override;
  void woken(TimePoint now) override;
  void close() override;
  [[nodiscard]] bool finished() const override { return !done_; }
  [[nodiscard]] const std::optional<Error>& failure() const override { return failure_; }

  /// A server that announces more is not believed.
  static constexpr std::uint32_t kMaxDevices = 65536;

 private:
  bool step();
  bool read_header();
  bool read_count();
  void end(Result<std::vector<ListedDevice>> result);

  Done done_;
  TimePoint deadline_;
  Receiver receiver_{sizeof(wire::usbip::DeviceRecord)};
  Sender sender_;
  bool header_read_ = false;
  bool count_read_ = false;
  std::uint32_t devices_left_ = 0;
  std::size_t interfaces_left_ = 0;
  std::vector<ListedDevice> devices_;
  std::optional<Error> failure_;
};

/// Reads a DEVLIST reply that is there as a whole.
[[nodiscard]] Result<std::vector<ListedDevice>> parse_devlist(Bytes reply);

}  // namespace periprox::session
