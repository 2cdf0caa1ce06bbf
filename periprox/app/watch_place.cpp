#include "periprox/app/watch_place.hpp"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill() is POSIX
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <string>
#include <system_error>

#include "periprox/physical/system_paths.hpp"

namespace periprox::app {
namespace {

namespace fs = std::filesystem;

/// True for the socket of a process that is no more.
bool is_left_behind(const fs::path& socket) {
  const auto name = socket.filename().string();
  pid_t process = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), process);
  if (error != std::errc{} || end != name.data() + name.size() || process <= 0) return false;
  return ::kill(process, 0) != 0 && errno == ESRCH;
}

void remove_left_behind(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (is_left_behind(entry.path())) ::unlink(entry.path().c_str());
  }
}

bool make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder.parent_path(), error);
  // What is there already has the rights that somebody gave it.
  if (fs::create_directory(folder, error)) fs::permissions(folder, fs::perms::owner_all, error);
  return ::access(folder.c_str(), W_OK | X_OK) == 0;
}

}  // namespace

std::vector<fs::path> watch_folders() {
  std::vector<fs::path> folders{physical::SystemPaths().run / "watch"};
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/')
    folders.push_back(fs::path(runtime) / "periprox" / "watch");
  return folders;
}

Result<fs::path> new_watch_socket() {
  for (const auto& folder : watch_folders()) {
    if (!make_folder(folder)) continue;
    remove_left_behind(folder);
    return folder / std::to_string(::getpid());
  }
  return fail(Error::Kind::NoPermission, "the devices cannot be watched",
              "neither /run/periprox nor $XDG_RUNTIME_DIR can be written to");
}

}  // namespace periprox::app
