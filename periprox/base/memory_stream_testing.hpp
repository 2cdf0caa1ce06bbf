// A ByteStream for tests: what arrives and what was written are plain strings.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "periprox/base/byte_stream.hpp"

namespace periprox::testing {

/// Holds what has arrived and what was written. Calls back when told to.
class MemoryStream final : public ByteStream {
 public:
  std::size_t read(MutableBytes place) override {
    const auto count = std::min(place.size(), arrived_.size());
    std::memcpy(place.data(), arrived_.data(), count);
    arrived_.erase(0, count);
    return count;
  }
  std::size_t write(Bytes data) override {
    const auto count = std::min(data.size(), room);
    written.append(reinterpret_cast<const char*>(data.data()), count);
    room -= count;
    return count;
  }
  [[nodiscard]] bool read_ended() const override { return ended_ && arrived_.empty(); }
  void when_readable(std::function<void()> callback) override { readable_ = std::move(callback); }
  void when_writable(std::function<void()> callback) override { writable_ = std::move(callback); }
  [[nodiscard]] bool is_connected() const override { return connected_; }
  void on_connection(std::function<void()> callback) override { changed_ = std::move(callback); }

  /// Lets `text` arrive.
  void arrive(std::string_view text) {
    arrived_ += text;
    if (const auto call = std::exchange(readable_, {})) call();
  }
  /// Lets the other end close.
  void end() {
    ended_ = true;
    if (const auto call = std::exchange(readable_, {})) call();
  }
  /// Makes room for `count` more bytes.
  void make_room(std::size_t count) {
    room += count;
    if (const auto call = std::exchange(writable_, {})) call();
  }
  void connect(bool connected) {
    connected_ = connected;
    if (changed_) changed_();
  }
  [[nodiscard]] std::size_t unread() const { return arrived_.size(); }

  std::string written;
  std::size_t room = std::size_t{1} << 30;

 private:
  std::string arrived_;
  bool ended_ = false;
  bool connected_ = true;
  std::function<void()> readable_;
  std::function<void()> writable_;
  std::function<void()> changed_;
};

}  // namespace periprox::testing
