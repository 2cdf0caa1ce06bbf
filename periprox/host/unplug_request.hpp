// How a process asks the one that serves a port to unplug the device in it.
//
// The kernel itself can be told to empty a port. It then drops the connection, and URBs that were
// pending stay so until the device is removed; that waits for whoever holds the device's lock, and
// if it waits for such an URB, for ever. The serving process can answer those URBs first
// (session::UsbipServer::unplug()). So it listens on a Unix socket beside the port's record.
// Connecting is the request, hanging up says that it was heard; nothing is written by either side.
// The owner and mode of the socket's file decide who may ask.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "periprox/base/clock.hpp"
#include "periprox/link/socket.hpp"

namespace periprox {
class Loop;
}

namespace periprox::host {

/// Calls `requested` for each request that comes to `path`, on the loop, until the result is
/// destroyed. A socket that somebody left there is replaced. Empty when nothing can listen there.
[[nodiscard]] std::optional<link::Listener> hear_unplug_requests(Loop& loop,
                                                                 const std::filesystem::path& path,
                                                                 std::function<void()> requested);

/// Asks whoever listens at `path`. `answered` is called once, on the loop: true when the request
/// was heard; false at once when nobody listens there, and when it is not heard within `patience`.
void request_unplug(Loop& loop, const std::filesystem::path& path, Duration patience,
                    std::function<void(bool heard)> answered);

}  // namespace periprox::host
