// Reading and writing at a position of a file: all of it, however often the kernel stops short.
#pragma once

#include <cstdint>

#include "periprox/base/bytes.hpp"

namespace periprox::emulated {

/// Reads from byte `position` on; fewer than asked for at the end of the file or on an error.
[[nodiscard]] std::size_t read_at(int fd, std::uint64_t position, MutableBytes into);
/// Writes all of `data` from byte `position` on, or returns false.
[[nodiscard]] bool write_at(int fd, std::uint64_t position, Bytes data);

}  // namespace periprox::emulated
