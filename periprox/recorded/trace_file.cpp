#include "periprox/recorded/trace_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <utility>

namespace periprox::recorded {

/// Compressed bytes that were read and not taken yet.
struct TraceFile::Decompressor {
  struct Free {
    void operator()(ZSTD_DCtx* freed) const { ZSTD_freeDCtx(freed); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context{ZSTD_createDCtx()};
  std::vector<std::byte> room = std::vector<std::byte>(ZSTD_DStreamInSize());
  ZSTD_inBuffer in{nullptr, 0, 0};
};

Result<TraceFile> TraceFile::open(const std::string& path) {
  const auto what = "cannot open the capture " + (path == "-" ? "on standard input" : path);
  UniqueFd fd(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                          : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return tl::make_unexpected(errno_error(errno, what));
  const bool is_file = S_ISREG(status.st_mode);
  return TraceFile(path, std::move(fd), is_file ? static_cast<std::uint64_t>(status.st_size) : 0,
                   !is_file);
}

TraceFile TraceFile::stream(UniqueFd fd, std::string name) {
  return {std::move(name), std::move(fd), 0, true};
}

TraceFile::TraceFile(std::string path, UniqueFd fd, std::uint64_t size, bool is_stream)
    : path_(std::move(path)), fd_(std::move(fd)), size_(size), is_stream_(is_stream) {
  if (path_.ends_with(".zst")) decompressor_ = std::make_unique<Decompressor>();
}
TraceFile::TraceFile(TraceFile&&) noexcept = default;
TraceFile& TraceFile::operator=(TraceFile&&) noexcept = default;
TraceFile::~TraceFile() = default;

Result<std::optional<wire::CapturedPacket>> TraceFile::next(bool may_grow) {
  while (true) {
    auto packet = reader_->next();
    if (!packet) {
      packet.error().what += " of " + path_;
      return packet;
    }
    if (*packet) return packet;
    if (may_grow && is_stream_ && !has_input()) return std::nullopt;
    const auto count = read(reader_->room());
    if (!count) return tl::make_unexpected(count.error());
    if (*count > 0) {
      reader_->filled(*count);
      continue;
    }
    ended_ = is_stream_;
    if (may_grow || reader_->at_boundary()) return std::nullopt;
    return fail(Error::Kind::Malformed, "the capture " + path_ + " is cut",
                "it ends within a packet, after byte " + std::to_string(reader_->offset()));
  }
}

bool TraceFile::has_input() const {
  if (decompressor_) return true;  // It may hold something back.
  pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&ready, 1, 0) != 0;
}

void TraceFile::wait(std::chrono::milliseconds patience) const {
  pollfd ready{.fd = is_stream_ && !ended_ ? fd_.get() : -1, .events = POLLIN, .revents = 0};
  ::poll(&ready, 1, static_cast<int>(patience.count()));
}

Result<std::size_t> TraceFile::read_plain(MutableBytes room) {
  while (true) {
    const auto count = ::read(fd_.get(), room.data(), room.size());
    if (count >= 0) {
      bytes_read_ += static_cast<std::uint64_t>(count);
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR)
      return tl::make_unexpected(errno_error(errno, "cannot read the capture " + path_));
  }
}

Result<std::size_t> TraceFile::read(MutableBytes room) {
  if (!decompressor_) return read_plain(room);
  auto& in = decompressor_->in;
  while (true) {
    if (in.pos == in.size) {
      const auto count = read_plain(decompressor_->room);
      if (!count) return count;
      if (*count == 0) return std::size_t{0};
      in = {decompressor_->room.data(), *count, 0};
    }
    ZSTD_outBuffer out{room.data(), room.size(), 0};
    const auto left = ZSTD_decompressStream(decompressor_->context.get(), &out, &in);
    if (ZSTD_isError(left) != 0) {
      return fail(Error::Kind::Malformed, "cannot decompress the capture " + path_,
                  ZSTD_getErrorName(left));
    }
    if (out.pos > 0) return out.pos;
  }
}

}  // namespace periprox::recorded
