// Ids of different things that do not mix: StrongId<struct PortTag, int> is not any other id.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace periprox {

/// A value of type T that only compares and hashes with ids of the same Tag.
template <typename Tag, typename T>
class StrongId {
 public:
  using Value = T;

  constexpr StrongId() = default;
  constexpr explicit StrongId(T value) : value_(value) {}
  [[nodiscard]] constexpr T value() const { return value_; }
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;

 private:
  T value_{};
};

}  // namespace periprox

template <typename Tag, typename T>
struct std::hash<periprox::StrongId<Tag, T>> {
  std::size_t operator()(const periprox::StrongId<Tag, T>& id) const noexcept {
    return std::hash<T>{}(id.value());
  }
};
