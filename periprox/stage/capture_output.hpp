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
  /// Writes to a pipe or socket as it is; `name` is for messages.
  static std::unique_ptr<CaptureOutput> stream(UniqueFd fd, std::string name,
                                               const std::atomic<bool>& give_up);
  ~CaptureOutput();
  CaptureOutput(const CaptureOutput&) = delete;
  CaptureOutput& operator=(const CaptureOutput&) = delete;

  /// Gone when nobody reads the pipe or socket any more.
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
  bool is_blocking_ = true;
  const std::atomic<bool>& give_up_;
  std::unique_ptr<Compressor> compressor_;
};

}  // namespace periprox::stage
