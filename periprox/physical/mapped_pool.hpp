// Payload memory that usbfs moves without copying.
//
// Memory mapped from a device node is kernel memory that the controller reads and writes itself.
// Small payloads are cut from shared blocks, because the kernel searches its list of mappings at
// each submit; large ones have a block each. Every mapping counts against usbfs_memory_mb, which is
// shared by the whole system, so there is a ceiling; above it, and where the kernel maps nothing,
// payloads are ordinary memory and the kernel copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "periprox/base/payload.hpp"
#include "periprox/physical/usbfs.hpp"

namespace periprox::physical {

/// Hands out payloads, mapped where possible. Payloads may outlive the pool. Not thread-safe.
class MappedPool {
 public:
  /// Maps at most `mapped_limit` bytes at a time; 0 maps nothing.
  MappedPool(std::shared_ptr<Usbfs> usbfs, std::size_t mapped_limit);
  ~MappedPool();
  MappedPool(const MappedPool&) = delete;
  MappedPool& operator=(const MappedPool&) = delete;

  /// At least `size` bytes; a Payload without memory when size is 0 or the system has no more.
  [[nodiscard]] Payload allocate(std::uint32_t size);
  /// True when the kSetupRoom bytes before the payload's data belong to it too: usbfs wants the
  /// setup packet of a control transfer right before its data.
  [[nodiscard]] bool has_setup_room(const Payload& payload) const;
  /// Unmaps the large blocks that nobody uses.
  void trim();

  [[nodiscard]] std::size_t mapped_bytes() const;

  static constexpr std::size_t kSetupRoom = 8;

 private:
  struct Shelf;
  Shelf* shelf_;  // Lives until the pool and the last of its payloads are gone.
  PayloadPool heap_;
};

}  // namespace periprox::physical
