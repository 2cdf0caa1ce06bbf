// Memory that other processes or machines map too: a memfd, a file, the BAR of a PCI device.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "periprox/base/bytes.hpp"
#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox::link {

/// A mapping; page-aligned, unmapped when the last copy is gone.
struct SharedMemory {
  MutableBytes bytes;
  std::shared_ptr<const void> keep;
};

/// New memory without a name, all zeros, whose size nobody can change any more; and the descriptor
/// by which another process maps it.
[[nodiscard]] Result<std::pair<SharedMemory, UniqueFd>> create_shared_memory(std::uint64_t size);

/// Maps memory that another process created so. Refuses what that process could still cut off,
/// which would kill us by SIGBUS.
[[nodiscard]] Result<SharedMemory> map_sealed(UniqueFd fd, std::uint64_t size);

/// Maps a whole file, such as the one behind an ivshmem device. Created with `size` when it is not
/// there and `size` is not 0. Whoever can write the file is trusted not to truncate it.
[[nodiscard]] Result<SharedMemory> map_file(const std::string& path, std::uint64_t size);

enum class Caching : std::uint8_t { Uncached, WriteCombining };

/// Maps BAR 2 of the ivshmem device at a PCI address such as "0000:00:05.0", enabling it first.
[[nodiscard]] Result<SharedMemory> map_ivshmem(const std::string& address, Caching caching);

}  // namespace periprox::link
