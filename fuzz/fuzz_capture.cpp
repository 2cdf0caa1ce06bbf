// Any bytes as a capture, read in pieces: nothing may crash, nothing is used that is not there, and
// the size of the pieces changes nothing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "fuzz/fuzz_input.hpp"
#include "fuzz/require.hpp"
#include "periprox/wire/capture_reader.hpp"

namespace {

using namespace periprox;  // NOLINT(google-build-using-namespace)

/// Touches everything a packet shows; returns a sum that depends on all of it.
std::uint64_t sum_of(const wire::CapturedPacket& packet) {
  std::uint64_t sum = packet.time + packet.original_length + packet.dropped;
  for (const auto byte : packet.data) sum = sum * 31 + std::to_integer<std::uint64_t>(byte);
  for (const auto comment : packet.comments) {
    for (const char letter : comment) sum = sum * 31 + static_cast<unsigned char>(letter);
  }
  if (!packet.usb) return sum;
  const auto& record = *packet.usb;
  PERIPROX_REQUIRE(record.data.size() <= packet.data.size());
  for (const auto byte : record.data) sum = sum * 31 + std::to_integer<std::uint64_t>(byte);
  const bool is_submission = record.event == wire::UsbRecord::Event::Submit;
  for (std::size_t i = 0; i < record.iso_packets.size(); ++i) {
    const auto iso = record.iso_packets.at(i, is_submission);
    sum = sum * 31 + iso.offset + iso.length + iso.actual_length;
  }
  return sum * 31 + record.id + record.length + static_cast<std::uint64_t>(record.status);
}

std::uint64_t read(Bytes file, std::size_t step) {
  wire::CaptureReader reader;
  const auto size = file.size();
  std::uint64_t sum = 0;
  while (true) {
    const auto packet = reader.next();
    if (!packet) {
      PERIPROX_REQUIRE(packet.error().kind == Error::Kind::Malformed);
      return sum * 31 + 1;
    }
    PERIPROX_REQUIRE(reader.offset() <= size);
    if (*packet) {
      sum = sum * 31 + sum_of(**packet);
      PERIPROX_REQUIRE((*packet)->interface_id < reader.interfaces().size());
      continue;
    }
    if (file.empty()) return sum * 31 + (reader.at_boundary() ? 2 : 3);
    const auto room = reader.room();
    const auto count = std::min({step, room.size(), file.size()});
    PERIPROX_REQUIRE(count > 0);
    std::memcpy(room.data(), file.data(), count);
    reader.filled(count);
    file = file.subspan(count);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const std::size_t step = std::max<std::size_t>(input.byte(), 1);
  const auto file = input.bytes(size);
  PERIPROX_REQUIRE(read(file, step) == read(file, std::max<std::size_t>(file.size(), 1)));
  return 0;
}
