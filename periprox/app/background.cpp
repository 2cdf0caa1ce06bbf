#include "periprox/app/background.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "periprox/app/output.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/physical/system_paths.hpp"

namespace periprox::app {
namespace {

/// The messages of a process that nobody may be listening to.
class MessageFile {
 public:
  /// Becomes standard error, and that of programs that are started: they must not hold a terminal
  /// or pipe open that the command itself has returned to.
  MessageFile() {
    const auto folder = physical::SystemPaths().run;
    std::error_code ignored;
    std::filesystem::create_directories(folder, ignored);
    path_ = folder / ("background-" + std::to_string(::getpid()) + ".log");
    UniqueFd file(::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640));
    if (!file) file = UniqueFd(::memfd_create("messages", MFD_CLOEXEC));
    real_ = UniqueFd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    ::dup2(file.get(), STDERR_FILENO);
  }

  /// Prints what was written so far where the command's user sees it.
  void show() {
    char text[4096];
    off_t offset = 0;
    ssize_t count = 0;
    while ((count = ::pread(STDERR_FILENO, text, sizeof(text), offset)) > 0) {
      static_cast<void>(
          Output(real_.get()).write(std::string_view(text, static_cast<std::size_t>(count))));
      offset += count;
    }
    real_ = {};
  }

  void remove() const { ::unlink(path_.c_str()); }

 private:
  std::filesystem::path path_;
  UniqueFd real_;
};

void leave_terminal() {
  ::setsid();
  static_cast<void>(::chdir("/"));
  const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(nothing.get(), STDOUT_FILENO);
}

[[noreturn]] void end_with_child(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

}  // namespace

Result<void> in_background(
    bool json, const std::function<Result<void>(const std::function<void()>& usable)>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return tl::make_unexpected(errno_error(errno, "cannot go to the background"));
  }
  const UniqueFd told(ends[0]);
  UniqueFd teller(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return tl::make_unexpected(errno_error(errno, "cannot go to the background"));
  if (child > 0) {
    teller = {};
    char word = 0;
    ssize_t count = 0;
    while ((count = ::read(told.get(), &word, 1)) < 0 && errno == EINTR) {
    }
    if (count == 1) return {};
    end_with_child(child);
  }
  MessageFile messages;
  bool usable = false;
  const auto done = work([&] {
    messages.show();
    leave_terminal();
    usable = true;
    static_cast<void>(::write(teller.get(), "u", 1));
    teller = {};
  });
  if (!done) print_error(done.error(), json);
  if (!usable) messages.show();
  if (!usable || done) messages.remove();
  std::_Exit(done ? EXIT_SUCCESS : exit_code(done.error()));
}

}  // namespace periprox::app
