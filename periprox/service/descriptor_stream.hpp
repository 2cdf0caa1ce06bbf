// A base::ByteStream over file descriptors, on the event loop: what is behind every stream that an
// emulated device is joined to.
//
// Two ways to wait, because epoll knows no regular files: those are always ready. Descriptors that
// were lent (standard input and output) stay blocking for the processes that share them, so they
// are asked with poll() first.
#pragma once

#include <functional>
#include <memory>

#include "periprox/base/byte_stream.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox {
class Loop;
}

namespace periprox::service {

class DescriptorStream final : public ByteStream {
 public:
  /// Not connected. `loop` outlives it.
  explicit DescriptorStream(Loop& loop);
  ~DescriptorStream() override;

  /// Uses `fd` in both directions from now on, instead of what was used before.
  void connect(UniqueFd fd);
  /// Uses descriptors that belong to somebody else; -1 for a direction that is not there.
  void connect_lent(int input, int output);

  /// A stream that is connected again after its end is never over: `lost` is called when the other
  /// end went away.
  void on_lost(std::function<void()> lost);
  /// What cannot be written is dropped and ends nothing, as on a cable: network devices refuse to
  /// take packets while they are down.
  void drop_what_fails();
  /// Keeps something for as long as the stream lives: a listener, a child, a link to remove.
  void keep(std::shared_ptr<void> kept);

  // ByteStream
  std::size_t read(MutableBytes room) override;
  std::size_t write(Bytes data) override;
  [[nodiscard]] bool read_ended() const override;
  void when_readable(std::function<void()> callback) override;
  void when_writable(std::function<void()> callback) override;
  [[nodiscard]] bool is_connected() const override;
  void on_connection(std::function<void()> callback) override;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
  std::shared_ptr<void> kept_;
};

}  // namespace periprox::service
