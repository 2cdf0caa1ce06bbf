#include "periprox/emulated/disk_image.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <utility>
#ifdef __linux__
#include <linux/fs.h>
#endif

#include "periprox/emulated/file_access.hpp"

namespace periprox::emulated {
namespace {

constexpr auto kLargestSize = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());

std::string cannot_open(const std::string& path) {
  return path.empty() ? "cannot make a disk in memory" : "cannot use " + path + " as a disk image";
}

Result<UniqueFd> open_file(const DiskImage::Options& options) {
  const auto& path = options.path;
  const int access = (options.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  UniqueFd fd(::open(path.c_str(), access));
  if (!fd && errno == ENOENT && !options.read_only && options.size != 0) {
    constexpr mode_t kMode = 0644;
    fd = UniqueFd(::open(path.c_str(), access | O_CREAT | O_EXCL, kMode));
    if (fd && ::ftruncate(fd.get(), static_cast<off_t>(options.size)) != 0) {
      return tl::make_unexpected(errno_error(errno, cannot_open(path)));
    }
  }
  if (!fd) {
    const bool may_create = errno == ENOENT && !options.read_only;
    return tl::make_unexpected(errno_error(
        errno, cannot_open(path), may_create ? "size=8G makes a new one of that size" : ""));
  }
  const int lock = (options.read_only ? LOCK_SH : LOCK_EX) | LOCK_NB;
  if (::flock(fd.get(), lock) != 0) {
    return fail(Error::Kind::Busy, cannot_open(path), "another program uses it",
                "two writers would destroy it; readonly=1 lets several read");
  }
  return fd;
}

Result<UniqueFd> open_memory(std::uint64_t size) {
  UniqueFd fd(::memfd_create("periprox-disk", MFD_CLOEXEC));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return tl::make_unexpected(errno_error(errno, cannot_open({})));
  }
  return fd;
}

/// Size of a file or a block device; 0 when it cannot be told.
std::uint64_t size_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return 0;
  if (S_ISREG(status.st_mode)) return static_cast<std::uint64_t>(status.st_size);
  std::uint64_t size = 0;
#ifdef BLKGETSIZE64
  if (S_ISBLK(status.st_mode) && ::ioctl(fd, BLKGETSIZE64, &size) != 0) return 0;
#endif
  return size;
}

}  // namespace

Result<std::unique_ptr<DiskImage>> DiskImage::open(const Options& options) {
  if (options.size > kLargestSize) {
    return fail(Error::Kind::Usage, cannot_open(options.path), "its size is beyond all bounds");
  }
  auto fd = options.path.empty() ? open_memory(options.size) : open_file(options);
  if (!fd) return forward_error(fd);
  const auto size = size_of(fd->get());
  if (size < options.sector) {
    return fail(Error::Kind::Usage, cannot_open(options.path), "it holds no sector",
                "give it a size first: truncate --size 8G FILE");
  }
  auto image = std::unique_ptr<DiskImage>(new DiskImage);
  image->fd_ = std::move(*fd);
  image->path_ = options.path;
  image->sector_ = options.sector;
  image->sectors_ = size / options.sector;
  image->read_only_ = options.read_only;
  return image;
}

bool DiskImage::read(std::uint64_t position, MutableBytes into) const {
  return read_at(fd_.get(), position, into) == into.size();
}

bool DiskImage::write(std::uint64_t position, Bytes data) const {
  return write_at(fd_.get(), position, data);
}

bool DiskImage::flush() const { return path_.empty() || ::fdatasync(fd_.get()) == 0; }

}  // namespace periprox::emulated
