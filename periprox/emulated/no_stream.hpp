// A cable that leads nowhere: takes everything, gives nothing, and nobody is at the other end.
#pragma once

#include <memory>
#include <string_view>

#include "periprox/base/byte_stream.hpp"
#include "periprox/emulated/surroundings.hpp"

namespace periprox::emulated {

class NoStream final : public ByteStream {
 public:
  std::size_t read(MutableBytes /*room*/) override { return 0; }
  std::size_t write(Bytes data) override { return data.size(); }
  [[nodiscard]] bool read_ended() const override { return true; }
  void when_readable(std::function<void()> /*callback*/) override {}
  void when_writable(std::function<void()> /*callback*/) override {}
  [[nodiscard]] bool is_connected() const override { return false; }
  void on_connection(std::function<void()> /*callback*/) override {}
};

/// Opens the stream that a setting names, or none when the setting is empty.
[[nodiscard]] inline Result<std::unique_ptr<ByteStream>> open_stream_or_none(
    const Surroundings& surroundings, std::string_view where) {
  if (where.empty()) return std::make_unique<NoStream>();
  return open_stream(surroundings, where);
}

}  // namespace periprox::emulated
