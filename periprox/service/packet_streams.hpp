// Streams that keep packets apart: what an emulated network adapter is joined to. One read() gives
// a whole packet, one write() takes one.
#pragma once

#include <memory>
#include <string_view>

#include "periprox/base/byte_stream.hpp"
#include "periprox/base/result.hpp"

namespace periprox {
class Loop;
}

namespace periprox::service {

/// Opens the TAP device `name` (Ethernet frames). Making one that is not there takes CAP_NET_ADMIN.
/// `words` names the stream in errors; `loop` outlives it.
[[nodiscard]] Result<std::unique_ptr<ByteStream>> open_tap(Loop& loop, std::string_view words,
                                                           std::string_view name);

/// Opens a Unix datagram socket by "PATH,PEER": bound to PATH, talking to PEER, again and again
/// until there is one.
[[nodiscard]] Result<std::unique_ptr<ByteStream>> open_datagrams(Loop& loop, std::string_view words,
                                                                 std::string_view paths);

}  // namespace periprox::service
