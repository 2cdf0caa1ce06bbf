#include "periprox/app/copy_capture.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <vector>

#include "periprox/stage/capture_output.hpp"

namespace periprox::app {
namespace {

constexpr std::size_t kRoom = std::size_t{256} << 10;

}  // namespace

Result<bool> copy_capture(const WatchedDevice& device, const std::string& file,
                          std::uint32_t snap_length) {
  // The file first: a FIFO waits here for its reader, and nothing is captured meanwhile.
  const std::atomic<bool> never = false;
  auto output = stage::CaptureOutput::open(file, never);
  if (!output) return forward_error(output);
  const auto stream = watch(device, snap_length);
  if (!stream) return tl::make_unexpected(stream.error());
  std::vector<std::byte> room(kRoom);
  while (true) {
    const auto count = ::read(stream->get(), room.data(), room.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    const Bytes bytes = Bytes(room).first(static_cast<std::size_t>(count));
    auto written = (*output)->write(bytes);
    if (written) written = (*output)->flush();
    if (!written && written.error().kind == Error::Kind::Gone) return false;
    if (!written) return forward_error(written);
  }
  if (auto finished = (*output)->finish(); !finished) return forward_error(finished);
  return !was_watch_ended();
}

}  // namespace periprox::app
