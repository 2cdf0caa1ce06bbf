// Connected pairs of the kinds of socket that are measured.
#pragma once

#include <string_view>
#include <utility>

#include "periprox/base/unique_fd.hpp"

namespace periprox::bench {

enum class SocketKind { Tcp, Unix };

[[nodiscard]] std::string_view kind_name(SocketKind kind);

/// Two connected, tuned, blocking stream sockets. Aborts when the system gives none.
[[nodiscard]] std::pair<UniqueFd, UniqueFd> connected_pair(SocketKind kind);

}  // namespace periprox::bench
