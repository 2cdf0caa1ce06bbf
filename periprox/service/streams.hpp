// The streams that emulated devices are joined to, by the words of their settings.
//
//     -                          standard input and output
//     pty, pty:/path/of/a/link   a pseudoterminal; the link leads to it
//     tcp://HOST:PORT, unix:///PATH          connects, again and again
//     listen:tcp://HOST:PORT, listen:unix:///PATH   waits to be connected to, by one at a time
//     exec:COMMAND               a command's standard input and output
//     /path                      a file, a FIFO or a character device
//     tap:NAME                   a TAP device, made when it is not there
//     dgram:PATH,PEER            Unix datagram sockets: ours, and the one that it talks to
//
// The last two keep packets apart: one in each read() and write().
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "periprox/base/byte_stream.hpp"
#include "periprox/base/result.hpp"

namespace periprox {
class Loop;
}

namespace periprox::service {

/// Told where a stream leads to, when that is not known beforehand: "/dev/pts/7".
using StreamNote = std::function<void(const std::string&)>;

/// Opens a stream. `loop` outlives it.
[[nodiscard]] Result<std::unique_ptr<ByteStream>> open_stream(Loop& loop, std::string_view words,
                                                              const StreamNote& note);

}  // namespace periprox::service
