// Bytes that never change, handed out without copying: a source of zeros, a test pattern, a
// picture.
#pragma once

#include <cstdint>
#include <vector>

#include "periprox/base/payload.hpp"

namespace periprox::emulated {

/// Owns constant bytes and lends them as Payloads; the bytes live until this and the last Payload
/// are gone. Whoever receives such a Payload reads it and never writes to it (IN data is read-only
/// after completion everywhere in this program). Not thread-safe.
class ConstantData {
 public:
  explicit ConstantData(std::vector<std::byte> bytes);
  ~ConstantData();
  ConstantData(const ConstantData&) = delete;
  ConstantData& operator=(const ConstantData&) = delete;

  [[nodiscard]] Bytes bytes() const;
  /// The first `count` bytes; `count` <= bytes().size(). Without memory when `count` is 0.
  [[nodiscard]] Payload lend(std::uint32_t count);

 private:
  struct Shelf;
  Shelf* shelf_;
};

}  // namespace periprox::emulated
