// Any bytes as a capture, told as `periprox inspect` tells it: nothing may crash, and what a device
// said never reaches a terminal as it is: each transfer is one line of printable text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>

#include "fuzz/fuzz_input.hpp"
#include "fuzz/require.hpp"
#include "periprox/app/traced_text.hpp"
#include "periprox/recorded/traced_transfer.hpp"
#include "periprox/wire/capture_reader.hpp"

namespace {

using namespace periprox;  // NOLINT(google-build-using-namespace)

void tell(app::TracedSubject& subject, const recorded::TracedTransfer& transfer) {
  const bool is_new = subject.learn(transfer);
  for (const unsigned char letter : subject.text(transfer))
    PERIPROX_REQUIRE(letter >= 0x20 && letter != 0x7f);
  if (!is_new) return;
  for (const unsigned char letter : subject.descriptor_text(transfer))
    PERIPROX_REQUIRE((letter >= 0x20 && letter != 0x7f) || letter == '\n');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  auto file = input.bytes(size);
  wire::CaptureReader reader;
  recorded::TransferPairing pairing;
  std::map<recorded::TracedAddress, app::TracedSubject> subjects;
  while (true) {
    const auto packet = reader.next();
    if (!packet) break;
    if (*packet) {
      if (const auto* transfer = pairing.add(**packet))
        tell(subjects[transfer->address], *transfer);
      continue;
    }
    if (file.empty()) break;
    const auto room = reader.room();
    const auto count = std::min(room.size(), file.size());
    std::memcpy(room.data(), file.data(), count);
    reader.filled(count);
    file = file.subspan(count);
  }
  for (const auto& transfer : pairing.unfinished()) tell(subjects[transfer.address], transfer);
  return 0;
}
