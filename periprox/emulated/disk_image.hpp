// The medium of an emulated disk: a file, or memory, read and written in place.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "periprox/base/bytes.hpp"
#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox::emulated {

/// A disk image of whole sectors. A raw file may be sparse and as large as its file system allows;
/// a writable one is locked against a second user.
class DiskImage {
 public:
  struct Options {
    std::string path = {};       ///< Empty: memory, which is lost with the image.
    std::uint64_t size = 0;      ///< Of a file that is not there yet, or of the memory.
    std::uint32_t sector = 512;  ///< Bytes; a power of two.
    bool read_only = false;
  };

  /// Opens an image; makes a sparse one when the file is not there and a size is given. What is
  /// behind the last whole sector is not part of the disk.
  [[nodiscard]] static Result<std::unique_ptr<DiskImage>> open(const Options& options);

  [[nodiscard]] std::uint64_t sectors() const { return sectors_; }
  [[nodiscard]] std::uint32_t sector_size() const { return sector_; }
  [[nodiscard]] bool is_read_only() const { return read_only_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  /// Reads or writes at a byte position; all of it or false. The caller keeps within the sectors.
  [[nodiscard]] bool read(std::uint64_t position, MutableBytes into) const;
  [[nodiscard]] bool write(std::uint64_t position, Bytes data) const;
  /// Has what was written reach the disk below. Blocks; may be called from another thread.
  [[nodiscard]] bool flush() const;

 private:
  DiskImage() = default;

  UniqueFd fd_;
  std::string path_;
  std::uint64_t sectors_ = 0;
  std::uint32_t sector_ = 512;
  bool read_only_ = false;
};

}  // namespace periprox::emulated
