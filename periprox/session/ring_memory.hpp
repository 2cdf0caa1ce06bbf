// A block of shared memory, and the way into its parts.
#pragma once

#include <memory>
#include <utility>

#include "periprox/base/bytes.hpp"
#include "periprox/wire/ring.hpp"

namespace periprox::session {

/// Memory that two sides see; shared by whoever still needs it mapped (payloads outlive sessions).
struct RingMemory {
  MutableBytes bytes;                ///< Aligned to at least 128 bytes.
  std::shared_ptr<const void> keep;  ///< Unmaps it when the last copy is gone.

  [[nodiscard]] wire::ring::ControlBlock& control() const {
    return *static_cast<wire::ring::ControlBlock*>(static_cast<void*>(bytes.data()));
  }
  /// The entries of a ring that lies at `offset`; the layout was checked.
  [[nodiscard]] wire::ring::Shared<wire::ring::Entry>* entries(std::uint64_t offset) const {
    return static_cast<wire::ring::Shared<wire::ring::Entry>*>(
        static_cast<void*>(bytes.data() + offset));
  }
};

}  // namespace periprox::session
