// Views of bytes, and cursors that read and write structs in them without ever running over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace periprox {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

/// The bytes of a trivially copyable value, e.g. a wire struct.
template <typename T>
requires std::is_trivially_copyable_v<T>
[[nodiscard]] Bytes bytes_of(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

/// The bytes of a string, without a terminator.
[[nodiscard]] inline Bytes bytes_of_text(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Reads a struct of alignment 1 out of the front of `bytes`; empty when they are too few.
template <typename T>
requires(std::is_trivially_copyable_v<T> && alignof(T) == 1)
    [[nodiscard]] std::optional<T> read_as(Bytes bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

/// Walks over bytes from front to back; every step is checked, the position is known for errors.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - offset_; }

  /// Takes a struct of alignment 1; empty (and nothing taken) when too few bytes are left.
  template <typename T>
  [[nodiscard]] std::optional<T> take() {
    auto value = read_as<T>(bytes_.subspan(offset_));
    if (value) offset_ += sizeof(T);
    return value;
  }

  /// Takes the next `count` bytes as a view; empty (and nothing taken) when fewer are left.
  [[nodiscard]] std::optional<Bytes> take_bytes(std::size_t count) {
    if (left() < count) return std::nullopt;
    const Bytes taken = bytes_.subspan(offset_, count);
    offset_ += count;
    return taken;
  }

 private:
  Bytes bytes_;
  std::size_t offset_ = 0;
};

/// Appends structs and bytes to a growing vector; for messages that are not on the data path.
class ByteWriter {
 public:
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void put(const T& value) { put_bytes(bytes_of(value)); }
  void put_bytes(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::byte> release() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace periprox
