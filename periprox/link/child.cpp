#include "periprox/link/child.hpp"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill() is POSIX
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "periprox/link/socket.hpp"

namespace periprox::link {
namespace {

constexpr int kLooks = 50;
constexpr auto kBetweenLooks = std::chrono::milliseconds(10);

/// Wrapped so that every way out frees it.
struct FileActions {
  FileActions() { ::posix_spawn_file_actions_init(&actions); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t actions{};
};

struct Attributes {
  Attributes() { ::posix_spawnattr_init(&attributes); }
  ~Attributes() { ::posix_spawnattr_destroy(&attributes); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  posix_spawnattr_t attributes{};
};

}  // namespace

Result<Child> Child::start(const std::string& command) {
  const auto what = "cannot run '" + command + "'";
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return tl::make_unexpected(errno_error(errno, what));
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  tune_socket(ours.get());
  tune_socket(theirs.get());

  FileActions files;
  ::posix_spawn_file_actions_adddup2(&files.actions, theirs.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files.actions, theirs.get(), STDOUT_FILENO);
  // We ignore SIGPIPE, and a child inherits that; programs expect the default. The child stays in
  // our process group: ssh may have to ask for a password on the terminal.
  Attributes attributes;
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes.attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes.attributes, POSIX_SPAWN_SETSIGDEF);

  const char* const arguments[] = {"sh", "-c", command.c_str(), nullptr};
  pid_t process = -1;
  const int number = ::posix_spawn(&process, "/bin/sh", &files.actions, &attributes.attributes,
                                   const_cast<char* const*>(arguments), environ);
  if (number != 0) return tl::make_unexpected(errno_error(number, what));
  return Child(process, std::move(ours));
}

Child::Child(Child&& other) noexcept
    : process_(std::exchange(other.process_, -1)), socket_(std::move(other.socket_)) {}

Child::~Child() {
  if (process_ < 0) return;
  socket_ = {};
  ::kill(process_, SIGTERM);
  for (int i = 0; i < kLooks; ++i) {
    if (::waitpid(process_, nullptr, WNOHANG) != 0) return;
    std::this_thread::sleep_for(kBetweenLooks);
  }
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

}  // namespace periprox::link
