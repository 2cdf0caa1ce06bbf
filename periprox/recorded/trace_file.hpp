// Opens a capture, compressed or not, and hands out its packets.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/wire/capture_reader.hpp"

namespace periprox::recorded {

/// Reads a capture from front to back. "-" is standard input.
class TraceFile final {
 public:
  [[nodiscard]] static Result<TraceFile> open(const std::string& path);
  /// Reads what comes out of a pipe or socket; `name` is for messages.
  [[nodiscard]] static TraceFile stream(UniqueFd fd, std::string name);
  TraceFile(TraceFile&&) noexcept;
  TraceFile& operator=(TraceFile&&) noexcept;
  ~TraceFile();

  /// The next packet, its views valid until the next call; empty at the (present) end of the file.
  /// Malformed for a file that is no capture or ends within a packet; a file that may still grow is
  /// asked with `may_grow`, which does not wait for a pipe or socket either.
  Result<std::optional<wire::CapturedPacket>> next(bool may_grow = false);

  /// True once a pipe or socket has ended; a file may always grow.
  [[nodiscard]] bool has_ended() const { return ended_; }
  /// Waits until a pipe or socket has something to read, for at most `patience`; for a file always
  /// that long.
  void wait(std::chrono::milliseconds patience) const;

  [[nodiscard]] const wire::CaptureReader& reader() const { return *reader_; }
  /// Bytes read of the file, and how many it has; 0 when that is not known.
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  struct Decompressor;
  TraceFile(std::string path, UniqueFd fd, std::uint64_t size, bool is_stream);
  [[nodiscard]] bool has_input() const;
  Result<std::size_t> read(MutableBytes room);
  Result<std::size_t> read_plain(MutableBytes room);

  std::string path_;
  UniqueFd fd_;
  std::uint64_t size_ = 0;
  bool is_stream_ = false;
  bool ended_ = false;
  std::uint64_t bytes_read_ = 0;
  std::unique_ptr<Decompressor> decompressor_;
  std::unique_ptr<wire::CaptureReader> reader_ = std::make_unique<wire::CaptureReader>();
};

}  // namespace periprox::recorded
