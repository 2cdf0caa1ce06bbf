#include "periprox/app/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "periprox/app/json.hpp"

namespace periprox::app {

Result<void> Output::write(Bytes bytes) {
  while (!bytes.empty() && !closed_) {
    const auto written = ::write(fd_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno == EPIPE) {
      closed_ = true;
    } else if (errno == EAGAIN) {
      pollfd waiting{.fd = fd_, .events = POLLOUT, .revents = 0};
      ::poll(&waiting, 1, -1);
    } else if (errno != EINTR) {
      return tl::make_unexpected(errno_error(errno, "cannot write to standard output"));
    }
  }
  return {};
}

Result<void> Output::write_event(std::string_view line) {
  // A pipe that is ready takes PIPE_BUF (4096) bytes without blocking.
  pollfd ready{.fd = fd_, .events = POLLOUT, .revents = 0};
  if (::poll(&ready, 1, 0) <= 0) return {};
  return write(line);
}

bool Output::is_terminal() const { return ::isatty(fd_) == 1; }

void print_error(const Error& error, bool json) {
  std::string text;
  if (json) {
    text = error_json(error);
  } else {
    text = "periprox: " + error.what;
    if (!error.why.empty()) text += ": " + error.why;
    text += '\n';
    if (!error.hint.empty()) text += "try: " + error.hint + '\n';
  }
  // Nobody can be told that standard error cannot be written.
  static_cast<void>(Output(STDERR_FILENO).write(text));
}

void print_advice(std::string_view advice) {
  static_cast<void>(Output(STDERR_FILENO).write("periprox: " + std::string(advice) + '\n'));
}

int exit_code(const Error& error) { return error.kind == Error::Kind::Usage ? 2 : 1; }

}  // namespace periprox::app
