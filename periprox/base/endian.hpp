// Integers as they lie on the wire: a byte order, alignment 1, no surprise in a struct.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace periprox {

/// An integer T stored in the byte order `Order`; converts from and to T, so a struct of these
/// mirrors a wire layout exactly.
template <std::integral T, std::endian Order>
class Ordered {
 public:
  constexpr Ordered() = default;
  constexpr Ordered(T value) { store(value); }     // NOLINT(google-explicit-constructor): it is a T
  constexpr operator T() const { return load(); }  // NOLINT(google-explicit-constructor)

 private:
  using Unsigned = std::make_unsigned_t<T>;

  // g++ and clang both turn these loops into one move and one byte swap.
  constexpr void store(T value) {
    const auto bits = static_cast<Unsigned>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      const std::size_t place = Order == std::endian::little ? i : sizeof(T) - 1 - i;
      bytes_[place] = static_cast<std::uint8_t>(bits >> (8 * i));
    }
  }
  constexpr T load() const {
    Unsigned bits = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      const std::size_t place = Order == std::endian::little ? i : sizeof(T) - 1 - i;
      bits = static_cast<Unsigned>(bits | static_cast<Unsigned>(bytes_[place]) << (8 * i));
    }
    return static_cast<T>(bits);
  }

  std::array<std::uint8_t, sizeof(T)> bytes_{};
};

using be16 = Ordered<std::uint16_t, std::endian::big>;
using be32 = Ordered<std::uint32_t, std::endian::big>;
using sbe32 = Ordered<std::int32_t, std::endian::big>;
using le16 = Ordered<std::uint16_t, std::endian::little>;
using le32 = Ordered<std::uint32_t, std::endian::little>;
using le64 = Ordered<std::uint64_t, std::endian::little>;
using sle32 = Ordered<std::int32_t, std::endian::little>;
using sle64 = Ordered<std::int64_t, std::endian::little>;

static_assert(sizeof(be32) == 4 && alignof(be32) == 1);

}  // namespace periprox
