// Where captured bytes end up: a file, a pipe, compressed or not.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "periprox/base/bytes.hpp"
#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox::stage {

/// Writes one stream of bytes, on the thread that calls it.
class CaptureOutput final {
 public:
  /// "-" is standard output. A path that ends with ".zst" is compressed. An existing file is
  /// emptied. `give_up` makes waiting for a slow reader end.
  static Result<std::unique_ptr<CaptureOutput>> open(const std::string& path,
                                                     const std::atomic<bool>& give_up);
  ~CaptureOutput();
  CaptureOutput(const CaptureOutput&) = delete;
  CaptureOutput& operator=(const CaptureOutput&) = delete;

  Result<void> write(Bytes bytes);
  /// What was written so far can be read after that.
  Result<void> flush();
  /// Ends the stream.
  Result<void> finish();

 private:
  struct Compressor;
  CaptureOutput(std::string path, UniqueFd fd, bool is_file, const std::atomic<bool>& give_up);
  enum class Ending : std::uint8_t { None, Flush, End };
  Result<void> compress(Bytes bytes, Ending ending);
  Result<void> write_plain(Bytes bytes);

  const std::string path_;
  UniqueFd fd_;
  const bool is_file_;
  const std::atomic<bool>& give_up_;
  std::unique_ptr<Compressor> compressor_;
};

}  // namespace periprox::stage
