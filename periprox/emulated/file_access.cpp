#include "periprox/emulated/file_access.hpp"

#include <unistd.h>

#include <cerrno>

namespace periprox::emulated {

std::size_t read_at(int fd, std::uint64_t position, MutableBytes into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const auto left = into.subspan(done);
    const auto count = ::pread(fd, left.data(), left.size(), static_cast<off_t>(position + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

bool write_at(int fd, std::uint64_t position, Bytes data) {
  while (!data.empty()) {
    const auto count = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    data = data.subspan(static_cast<std::size_t>(count));
    position += static_cast<std::uint64_t>(count);
  }
  return true;
}

}  // namespace periprox::emulated
