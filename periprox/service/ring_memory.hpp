// Memory of the link room, as sessions take it.
#pragma once

#include "periprox/link/shared_memory.hpp"
#include "periprox/service/ring_address.hpp"
#include "periprox/session/ring_memory.hpp"

namespace periprox::service {

[[nodiscard]] inline session::RingMemory ring_memory(const link::SharedMemory& memory) {
  return {memory.bytes, memory.keep};
}

/// Maps the memory of an address that is no socket; `size` as for link::map_file().
[[nodiscard]] inline Result<link::SharedMemory> map_ring(const RingAddress& address,
                                                         std::uint64_t size) {
  if (address.kind == RingAddress::Kind::File) return link::map_file(address.place, size);
  return link::map_ivshmem(
      address.place, address.is_uncached ? link::Caching::Uncached : link::Caching::WriteCombining);
}

}  // namespace periprox::service
