// Where servers on this machine are found by those who want to watch: a folder with a socket for
// each server, named by its process.
#pragma once

#include <filesystem>
#include <vector>

#include "periprox/base/result.hpp"

namespace periprox::app {

/// The folders to look into: the machine's, /run/periprox/watch, and this user's,
/// $XDG_RUNTIME_DIR/periprox/watch.
[[nodiscard]] std::vector<std::filesystem::path> watch_folders();

/// The place for this process' own socket, in the first folder that it may write to. Removes what
/// servers that were killed have left there.
[[nodiscard]] Result<std::filesystem::path> new_watch_socket();

}  // namespace periprox::app
