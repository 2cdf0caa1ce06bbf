// Any bytes as a capture that is played, to a host that asks anything: nothing may crash, and every
// URB completes exactly once.
//
// The first byte says how many of the next are what the host does; the rest is the file.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/fuzz_input.hpp"
#include "fuzz/require.hpp"
#include "periprox/base/simulated_timers.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/recorded/recorded_device.hpp"
#include "periprox/usb/test_host.hpp"

namespace {

using namespace periprox;  // NOLINT(google-build-using-namespace)

/// Files are read by their path.
Result<recorded::Recording> load(Bytes file) {
  const UniqueFd fd(::memfd_create("capture", MFD_CLOEXEC));
  PERIPROX_REQUIRE(::write(fd.get(), file.data(), file.size()) ==
                   static_cast<ssize_t>(file.size()));
  return recorded::load_recording("/proc/self/fd/" + std::to_string(fd.get()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const auto actions = input.bytes(input.byte() % 32);
  auto recording = load(input.bytes(size));
  if (!recording) return 0;
  SimulatedTimers timers;
  auto device = std::make_unique<recorded::RecordedDevice>(std::move(*recording),
                                                           recorded::PlayOptions{}, timers);
  usb::testing::TestHost host(*device);
  const std::vector<std::byte> bytes(64);
  std::uint64_t last = 0;
  for (const auto each : actions) {
    const auto action = std::to_integer<unsigned>(each);
    const auto number = static_cast<std::uint8_t>(action / 16);
    switch (action % 8) {
      case 0:
        last =
            host.in(usb::EndpointAddress(static_cast<std::uint8_t>(0x80 | (number % 4 + 1))), 64);
        break;
      case 1:
        last = host.out(usb::EndpointAddress(static_cast<std::uint8_t>(number % 4 + 1)), bytes);
        break;
      case 2:
        last = host.control(usb::SetupPacket::get_descriptor(number, 0, 255));
        break;
      case 3:
        last = host.control(usb::SetupPacket::set_interface(number % 4, number / 4));
        break;
      case 4:
        last = host.control(usb::SetupPacket::port_reset());
        break;
      case 5:
        if (last > number) host.cancel(last - number);
        break;
      default:
        timers.advance(std::chrono::milliseconds(number * 10));
    }
  }
  device.reset();
  for (std::uint64_t id = 1; id <= last; ++id) PERIPROX_REQUIRE(host.times_completed(id) == 1);
  return 0;
}
