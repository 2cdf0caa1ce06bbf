// The short way to serve devices of one's own: a loop, a table of exports and a USB/IP server in
// one. Programs that need more (hot plug, events, several loops) put those together themselves, as
// the program periprox does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/emulated/surroundings.hpp"
#include "periprox/usb/device.hpp"

namespace periprox::service {

/// Serves devices on its own event loop until it is told to stop. Single-threaded, but for stop().
class DeviceServer final {
 public:
  DeviceServer();
  ~DeviceServer();
  DeviceServer(const DeviceServer&) = delete;
  DeviceServer& operator=(const DeviceServer&) = delete;

  /// The clock of its loop, which its devices live on.
  [[nodiscard]] Timers& timers();
  /// What emulated devices may need besides: streams, threads for what blocks. `note` is told what
  /// they do.
  [[nodiscard]] emulated::Surroundings surroundings(
      std::function<void(const std::string&)> note = {});

  /// Exports a device; returns its bus id: "1-1", "1-2", in the order of adding.
  Result<std::string> add(std::unique_ptr<usb::Device> device, std::string name = {});
  /// Listens on "tcp://HOST:PORT" or "unix:///PATH"; returns where it really listens.
  Result<std::string> listen(std::string_view address);
  /// Serves until SIGINT, SIGTERM or stop(), then ends all sessions in order.
  void run();
  /// Lets run() return; from any thread.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace periprox::service
