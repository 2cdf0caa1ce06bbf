// What happens while devices are exported, for a log that people read and a stream that programs
// do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace periprox::service {

/// One thing that happened. `text` says it all in one printable line; the other fields are for
/// programs.
struct Event {
  enum class Level : std::uint8_t { Detail, Info, Warning };
  enum class Kind : std::uint8_t {
    Connected,   ///< A peer connected.
    Ended,       ///< A connection ended; `text` says why.
    Imported,    ///< A client uses a device from now on.
    Released,    ///< It does no longer; the device can be imported again.
    Refused,     ///< A client asked for a device and did not get it.
    DeviceGone,  ///< An exported device went away.
    Plugged,     ///< A wanted device was plugged in and is exported.
    Waiting,     ///< A wanted device is not there yet.
    GivenBack,   ///< A device that an earlier process had left taken has its drivers again.
    Note,        ///< What an emulated device says it does.
    Watched,     ///< Somebody on this machine begins or ends to watch a device.
    Advice,      ///< Something a person could do for better service.
    Overload,    ///< Connections were dropped, or lines left out, because there are too many.
  };

  Kind kind = Kind::Connected;
  Level level = Level::Info;
  std::string text;
  std::string busid = {};  ///< Empty when no device is concerned.
  std::string peer = {};   ///< Empty when no peer is.
};

/// "connected", "ended", …: the name of a kind for programs.
[[nodiscard]] std::string_view event_name(Event::Kind kind);

using EventSink = std::function<void(const Event&)>;

}  // namespace periprox::service
