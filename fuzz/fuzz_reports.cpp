// Any bytes as a report descriptor and as reports, as requests and their data, as storage and
// communications messages: nothing may crash, and every text stays short.
#include <cstddef>
#include <cstdint>

#include "fuzz/fuzz_input.hpp"
#include "fuzz/require.hpp"
#include "periprox/usb/hid_report.hpp"
#include "periprox/usb/request_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace periprox;       // NOLINT(google-build-using-namespace)
  using namespace periprox::usb;  // NOLINT(google-build-using-namespace)
  constexpr std::size_t kLongestText = std::size_t{4} << 20;
  FuzzInput input(data, size);
  const ClassCode context{input.byte(), input.byte(), input.byte()};
  const auto descriptor = input.bytes(input.byte());
  const auto rest = input.bytes(size);
  const auto fields = parse_report_descriptor(descriptor);
  PERIPROX_REQUIRE(fields.size() <= kMaxHidFields);
  for (const auto kind : {HidField::Kind::Input, HidField::Kind::Output, HidField::Kind::Feature})
    PERIPROX_REQUIRE(hid_report_text(fields, kind, rest).size() <= kLongestText);
  if (const auto setup = read_as<SetupPacket>(rest)) {
    PERIPROX_REQUIRE(!request_text(*setup, context).empty());
    PERIPROX_REQUIRE(request_data_text(*setup, context, rest.subspan(8)).size() < 64);
  }
  PERIPROX_REQUIRE(storage_text(rest).size() < 256);
  PERIPROX_REQUIRE(scsi_command_text(rest).size() < 256);
  PERIPROX_REQUIRE(communications_notification_text(rest).size() < 256);
  return 0;
}
