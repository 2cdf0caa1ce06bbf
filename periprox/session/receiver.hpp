// Bytes from a link to a parser, with large payloads going straight where they belong.
//
// Small messages are read many at a time into a staging area. A payload that has not arrived yet is
// read by the link into its own buffer, and only the next header is read along with it: so one
// read() brings a whole large PDU without a copy, and one read() brings hundreds of small ones.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "periprox/base/bytes.hpp"
#include "periprox/base/protocol.hpp"

namespace periprox::session {

/// The reading half of a session. Not thread-safe.
class Receiver {
 public:
  /// `header_size` bytes are read along with a large payload.
  explicit Receiver(std::size_t header_size) : header_size_(header_size) {}

  // -- the link's side ---------------------------------------------------------------------------
  /// Where the next bytes go; never empty.
  [[nodiscard]] std::span<const MutableBytes> places();
  /// `count` bytes were put there.
  void advance(std::size_t count);

  // -- the parser's side -------------------------------------------------------------------------
  /// Bytes in the staging area that were not taken yet.
  [[nodiscard]] std::size_t staged() const { return end_ - begin_; }
  /// How many bytes of the stream were taken so far: the position for error messages.
  [[nodiscard]] std::uint64_t offset() const { return taken_; }

  /// Takes a struct of alignment 1 from the staging area; empty when it is not there yet.
  template <typename T>
  [[nodiscard]] std::optional<T> take() {
    auto value = read_as<T>(Bytes(stage_.get() + begin_, staged()));
    if (value) consume(sizeof(T));
    return value;
  }

  /// As take(), but where it lies: valid until the next call of places().
  template <typename T>
  requires(std::is_trivially_copyable_v<T> && alignof(T) == 1)
      [[nodiscard]] const T* take_in_place() {
    if (staged() < sizeof(T)) return nullptr;
    const auto* value = reinterpret_cast<const T*>(stage_.get() + begin_);
    consume(sizeof(T));
    return value;
  }

  /// Takes a line without its end; empty when its end is not there yet.
  [[nodiscard]] std::optional<std::string> take_line();

  /// Starts to fill `target` with the next bytes. Nothing may be taken until filled(). An empty
  /// target says that a message came without payload: the next probably does too.
  void fill(MutableBytes target);
  /// Starts to throw the next `count` bytes away. Nothing may be taken until filled().
  void skip(std::uint64_t count);
  /// True when what fill() or skip() started is complete.
  [[nodiscard]] bool filled() const { return target_.empty() && to_skip_ == 0; }

  /// A payload of at least this size is worth a read() of its own: below it, copying out of the
  /// staging area is cheaper than the system call.
  static constexpr std::size_t kDirectSize = 4096;
  static constexpr std::size_t kSmallStage = 1024;
  static constexpr std::size_t kLargeStage = 32 * 1024;

 private:
  void consume(std::size_t count) {
    begin_ += count;
    taken_ += count;
  }
  // Rare, and so out of the way.
  [[gnu::noinline]] void compact();
  [[gnu::noinline]] void grow(std::size_t capacity);

  std::size_t header_size_;
  std::unique_ptr<std::byte[]> stage_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  MutableBytes target_;
  std::uint64_t to_skip_ = 0;
  std::uint64_t taken_ = 0;
  bool busy_ = false;            // Reads fill the staging area.
  bool large_payloads_ = false;  // The last payload was large, so the next one probably is.
  std::array<MutableBytes, Protocol::kMaxReceiveSegments> places_;
};

}  // namespace periprox::session
