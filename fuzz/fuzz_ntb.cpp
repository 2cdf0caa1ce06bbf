// Any bytes as a transfer block of a network adapter and as a JPEG picture: what is found lies
// within them, and a block built of the same frames gives the same frames.
#include <cstddef>
#include <cstdint>

#include "fuzz/require.hpp"
#include "periprox/emulated/ntb.hpp"
#include "periprox/emulated/video_frames.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace periprox;            // NOLINT(google-build-using-namespace)
  using namespace periprox::emulated;  // NOLINT(google-build-using-namespace)
  const auto bytes = std::as_bytes(std::span(data, size));
  (void)jpeg_size(bytes);
  const auto frames = ntb::parse(bytes);
  if (!frames) return 0;
  PERIPROX_REQUIRE(frames->size() <= ntb::kMaxDatagrams);
  ntb::Builder builder;
  builder.begin(ntb::kMaxBlockSize);
  std::size_t added = 0;
  for (const auto frame : *frames) {
    PERIPROX_REQUIRE(frame.data() >= bytes.data() &&
                     frame.data() + frame.size() <= bytes.data() + bytes.size());
    if (frame.size() > builder.room()) break;
    builder.add(frame);
    ++added;
  }
  if (added == 0) return 0;
  const auto block = builder.finish(0);
  PERIPROX_REQUIRE(block.size() <= ntb::kMaxBlockSize);
  const auto again = ntb::parse(block);
  PERIPROX_REQUIRE(again && again->size() == added);
  return 0;
}
