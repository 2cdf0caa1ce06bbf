// A device list from a server that says anything. The first byte is the size of each read.
#include <cstdint>

#include "fuzz_input.hpp"
#include "periprox/session/devlist_client.hpp"
#include "periprox/session/testing.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace periprox;  // NOLINT(google-build-using-namespace)
  FuzzInput input(data, size);
  const std::size_t step = std::max<std::size_t>(input.byte(), 1);
  const auto reply = input.bytes(size);
  int calls = 0;
  session::DevlistClient client({}, [&](const auto& result) {
    ++calls;
    if (!result) return;
    // What is listed has arrived.
    std::size_t bytes = 12;
    for (const auto& device : *result) bytes += 312 + 4 * device.interfaces.size();
    PERIPROX_REQUIRE(bytes <= reply.size());
  });
  session::testing::feed(client, reply, step);
  client.receive_ended(std::nullopt);
  PERIPROX_REQUIRE(calls == 1);
  PERIPROX_REQUIRE(client.finished());
  return 0;
}
