#include "periprox/stage/capture_output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>
#include <vector>

namespace periprox::stage {
namespace {

constexpr int kPollMilliseconds = 50;
constexpr std::size_t kStreamStep = std::size_t{256} << 10;
constexpr mode_t kFileMode = 0600;  // Captures hold passwords that were typed.

}  // namespace

struct CaptureOutput::Compressor {
  struct Free {
    void operator()(ZSTD_CCtx* freed) const { ZSTD_freeCCtx(freed); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> context{ZSTD_createCCtx()};
  std::vector<std::byte> room = std::vector<std::byte>(ZSTD_CStreamOutSize());
};

CaptureOutput::CaptureOutput(std::string path, UniqueFd fd, bool is_file,
                             const std::atomic<bool>& give_up)
    : path_(std::move(path)), fd_(std::move(fd)), is_file_(is_file), give_up_(give_up) {}

std::unique_ptr<CaptureOutput> CaptureOutput::stream(UniqueFd fd, std::string name,
                                                     const std::atomic<bool>& give_up) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  std::unique_ptr<CaptureOutput> output(
      new CaptureOutput(std::move(name), std::move(fd), false, give_up));
  output->is_blocking_ = false;
  return output;
}

CaptureOutput::~CaptureOutput() = default;

Result<std::unique_ptr<CaptureOutput>> CaptureOutput::open(const std::string& path,
                                                           const std::atomic<bool>& give_up) {
  const auto what = "cannot write the capture " + (path == "-" ? "to standard output" : path);
  UniqueFd fd(path == "-"
                  ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                  : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0)
    return tl::make_unexpected(errno_error(errno, what, "try another file with --capture"));
  if (::isatty(fd.get()) == 1) {
    return fail(Error::Kind::Usage, what, "it is a terminal, and a capture is no text",
                "pipe it into a program: --capture - | tshark -i -");
  }
  std::unique_ptr<CaptureOutput> output(
      new CaptureOutput(path, std::move(fd), S_ISREG(status.st_mode), give_up));
  if (path.ends_with(".zst")) output->compressor_ = std::make_unique<Compressor>();
  return output;
}

Result<void> CaptureOutput::write(Bytes bytes) {
  return compressor_ ? compress(bytes, Ending::None) : write_plain(bytes);
}

Result<void> CaptureOutput::flush() {
  return compressor_ ? compress({}, Ending::Flush) : Result<void>{};
}

Result<void> CaptureOutput::finish() {
  return compressor_ ? compress({}, Ending::End) : Result<void>{};
}

Result<void> CaptureOutput::compress(Bytes bytes, Ending ending) {
  const auto mode = ending == Ending::None    ? ZSTD_e_continue
                    : ending == Ending::Flush ? ZSTD_e_flush
                                              : ZSTD_e_end;
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  while (true) {
    ZSTD_outBuffer out{compressor_->room.data(), compressor_->room.size(), 0};
    const auto left = ZSTD_compressStream2(compressor_->context.get(), &out, &in, mode);
    if (ZSTD_isError(left) != 0) {
      return fail(Error::Kind::Failed, "cannot compress the capture " + path_,
                  ZSTD_getErrorName(left));
    }
    if (auto done = write_plain(Bytes(compressor_->room).first(out.pos)); !done) return done;
    if (mode == ZSTD_e_continue ? in.pos == in.size : left == 0) return {};
  }
}

Result<void> CaptureOutput::write_plain(Bytes bytes) {
  while (!bytes.empty()) {
    std::size_t step = bytes.size();
    if (!is_file_) {
      // A pipe that says it is ready takes PIPE_BUF bytes without blocking, and no more is certain:
      // so this thread can always be ended, whatever the reader does.
      pollfd ready{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
      while (::poll(&ready, 1, kPollMilliseconds) <= 0) {
        if (give_up_.load()) {
          return fail(Error::Kind::Failed, "the end of the capture is lost",
                      "its reader does not read");
        }
      }
      step = std::min<std::size_t>(step, is_blocking_ ? PIPE_BUF : kStreamStep);
    }
    const auto written = ::write(fd_.get(), bytes.data(), step);
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      return tl::make_unexpected(
          errno_error(errno, "the capture " + path_ + " ends here, it cannot be written"));
    }
  }
  return {};
}

}  // namespace periprox::stage
