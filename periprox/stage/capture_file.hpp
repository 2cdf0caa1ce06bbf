// The thread that writes a capture, so that no URB ever waits for a disk.
//
// It sleeps while there is nothing to write, takes what came in batches, and begins a new file
// when one is full. Each time that it runs it takes a processor from somebody, so it runs seldom: a
// batch is what came in 20 ms, or less when that would be much of the buffer. Of a row of files,
// FILE is always the newest; the one before it is FILE.1, and so on (the number stands before the
// extension).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/stage/capture_buffer.hpp"
#include "periprox/stage/capture_output.hpp"

namespace periprox::stage {

struct CaptureFileOptions {
  std::string path;  ///< "-" for standard output; ".zst" at its end compresses.
  std::uint64_t file_size =
      0;  ///< Bytes (before compression) after which a new file begins; 0 = never.
  std::uint32_t files = 2;  ///< How many of a row are kept.
};

/// Owns the buffer that captures go into, and the thread that empties it.
class CaptureFile final {
 public:
  /// Opens the file. `failed` is told, once and on the writer's thread, when it cannot be written
  /// any more; capturing goes on into the void.
  static Result<std::unique_ptr<CaptureFile>> open(CaptureFileOptions options,
                                                   std::function<void(Error)> failed);
  /// Writes to a pipe or socket; `name` is for messages. `ended` is called, once and on the
  /// writer's thread, when all is written or cannot be.
  static std::unique_ptr<CaptureFile> stream(UniqueFd fd, std::string name,
                                             std::function<void()> ended);
  /// Writes what is left. Waits at most two seconds for a reader that does not read.
  ~CaptureFile();
  CaptureFile(const CaptureFile&) = delete;
  CaptureFile& operator=(const CaptureFile&) = delete;

  [[nodiscard]] CaptureBuffer& buffer() { return buffer_; }
  /// Nothing more comes: the writer's thread writes what is left and ends, while the caller goes
  /// on.
  void stop() { buffer_.stop(); }
  /// Lets a reader that does not read have nothing more.
  void give_up() { give_up_.store(true); }

 private:
  CaptureFile(CaptureFileOptions options, std::function<void(Error)> failed,
              std::function<void()> ended);
  void start(std::unique_ptr<CaptureOutput> output);
  void run();
  Result<void> write_new_heads();
  Result<void> write_blocks(Bytes blocks);
  Result<void> begin_next_file();
  Result<void> write(Bytes bytes);

  const CaptureFileOptions options_;
  std::function<void(Error)> failed_;
  std::function<void()> on_ended_;
  CaptureBuffer buffer_;
  std::atomic<bool> give_up_{false};
  std::atomic<bool> ended_{false};
  std::unique_ptr<CaptureOutput> output_;
  std::size_t heads_written_ = 0;
  std::uint64_t file_bytes_ = 0;
  bool has_blocks_ = false;  // Of this file: packets.
  std::thread thread_;
};

/// The path of an older file of a row: ("a/b.pcapng", 1) is "a/b.1.pcapng".
[[nodiscard]] std::string older_path(const std::string& path, std::uint32_t age);

}  // namespace periprox::stage
