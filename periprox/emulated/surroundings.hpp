// What an emulated device needs of the world around it. The room has no sockets, no threads and no
// loop of its own; whoever creates the devices lends them (service/surroundings).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "periprox/base/byte_stream.hpp"
#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"

namespace periprox::emulated {

/// A bundle of what is lent; everything but the timers may be missing. Copied freely; what it
/// refers to outlives the devices.
struct Surroundings {
  Timers& timers;
  /// Opens a stream by the words of a setting: "-", "pty", "tcp:HOST:PORT", a path.
  std::function<Result<std::unique_ptr<ByteStream>>(std::string_view)> open_stream = {};
  /// Runs `work` where it may block, then calls `done` on the loop, never from within this call.
  std::function<void(std::function<void()> work, std::function<void()> done)> run_blocking = {};
  /// Tells people what a device does, in one line: "LEDs: caps lock".
  std::function<void(const std::string&)> note = {};
};

/// Opens the stream `where`; NotSupported when these surroundings have none.
[[nodiscard]] Result<std::unique_ptr<ByteStream>> open_stream(const Surroundings& surroundings,
                                                              std::string_view where);
/// Runs `work` and then calls `done` on the loop; without a place for it, `work` runs at once.
void run_blocking(const Surroundings& surroundings, std::function<void()> work,
                  std::function<void()> done);
void note(const Surroundings& surroundings, const std::string& text);

}  // namespace periprox::emulated
