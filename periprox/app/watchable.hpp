// Lets others on this machine watch devices that a verb uses without a server: as those of
// `periprox serve` are watched, with the same socket and the same words.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "periprox/loop/loop.hpp"
#include "periprox/service/opened_device.hpp"
#include "periprox/service/watch_server.hpp"

namespace periprox::app {

/// Single-threaded, on `loop`, which outlives it.
class Watchable final {
 public:
  explicit Watchable(Loop& loop);
  Watchable(const Watchable&) = delete;
  Watchable& operator=(const Watchable&) = delete;

  /// Shows the device for as long as it lives, under its bus id or, when another one has that, the
  /// first of 1-1, 1-2, ... that is free. Where there is no place to listen nobody can watch, and
  /// all else goes on.
  void add(const service::OpenedDevice& opened);
  /// Runs the loop until all captures have ended in order.
  void close();

 private:
  struct Shown {
    wire::usbip::DeviceAddress address;
    std::string name;
    std::weak_ptr<usb::Device> device;
    std::weak_ptr<stage::CaptureStage> capture;
  };

  [[nodiscard]] std::vector<service::ExportTable::Entry> entries() const;

  void listen();

  Loop& loop_;
  bool listening_ = false;
  std::vector<Shown> shown_;
  service::WatchServer server_;
};

}  // namespace periprox::app
