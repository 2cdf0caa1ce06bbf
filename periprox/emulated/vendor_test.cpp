// A device out of a text file.
#include "periprox/emulated/vendor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/emulated_device.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::emulated {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using usb::Status;
using usb::testing::TestHost;

constexpr std::string_view kLight = R"(# A light with a switch.
device 1209:0010
manufacturer "Example"
product "Light; dimmable"   # the text keeps its semicolon
interface ff 01 02
endpoint 81 interrupt 8 10ms
endpoint 02 bulk

on control c0 01 * 0003: answer 12 34
on control c0 01: answer "else"
on control 40 02 0001: accept; send 81 01
on control 40 02: stall
on out 02 "?": accept; send 81 "on" 00
on out 02 ff: stall
on out 02: echo 81
every 100ms: send 81 2a
)";

class VendorTest : public ::testing::Test {
 protected:
  void plug(std::string_view text) {
    auto script = parse_vendor_script(text, "light.txt");
    ASSERT_TRUE(script) << script.error().text();
    device = EmulatedDevice::create(vendor_declaration(std::move(*script), timers),
                                    usb::Speed::Full, timers)
                 .value();
    host = std::make_unique<TestHost>(*device);
  }
  std::vector<std::byte> read() {
    const auto id = host->in(usb::EndpointAddress(0x81), 8);
    for (int i = 0; i < 50 && host->times_completed(id) == 0; ++i) timers.advance(1ms);
    return host->outcome(id).data;
  }
  Status write(std::string_view text) {
    return host->outcome(host->out(usb::EndpointAddress(0x02), bytes_of_text(text))).status;
  }
  static std::vector<std::byte> text(std::string_view text) {
    const auto bytes = bytes_of_text(text);
    return {bytes.begin(), bytes.end()};
  }

  SimulatedTimers timers;
  std::unique_ptr<EmulatedDevice> device;
  std::unique_ptr<TestHost> host;
};

TEST_F(VendorTest, HasTheDescriptorsOfTheFile) {
  plug(kLight);
  EXPECT_EQ(device->model().descriptor().idProduct, 0x0010);
  EXPECT_EQ(device->model().product, "Light; dimmable");
  const auto& setting =
      device->model().active_configuration()->interfaces.at(0).alternate_settings.at(0);
  EXPECT_EQ(setting.descriptor.class_code(), (usb::ClassCode{0xff, 1, 2}));
  ASSERT_EQ(setting.endpoints.size(), 2U);
  EXPECT_EQ(setting.endpoints[0].descriptor.bInterval, 10);
}

TEST_F(VendorTest, TheFirstRuleThatMatchesARequestCounts) {
  plug(kLight);
  EXPECT_EQ(host->outcome(host->control({0xc0, 1, 7, 3, 64})).data, raw_bytes({0x12, 0x34}));
  EXPECT_EQ(host->outcome(host->control({0xc0, 1, 7, 4, 64})).data, text("else"));
  EXPECT_EQ(host->outcome(host->control({0x40, 2, 1, 0, 0})).status, Status::Ok);
  EXPECT_EQ(host->outcome(host->control({0x40, 2, 2, 0, 0})).status, Status::Stalled);
  EXPECT_EQ(host->outcome(host->control({0x40, 9, 0, 0, 0})).status, Status::Stalled);
  EXPECT_EQ(read(), raw_bytes({1}));
}

TEST_F(VendorTest, AnswersTransfers) {
  plug(kLight);
  EXPECT_EQ(write("?"), Status::Ok);
  EXPECT_EQ(write("echo"), Status::Ok);
  EXPECT_EQ(write("\xff"), Status::Stalled);
  EXPECT_EQ(read(), (std::vector{std::byte{'o'}, std::byte{'n'}, std::byte{0}}));
  EXPECT_EQ(read(), text("echo"));
}

TEST_F(VendorTest, DoesThingsByItself) {
  plug(kLight);
  (void)host->in(usb::EndpointAddress(0x81), 8);
  timers.advance(99ms);
  EXPECT_EQ(host->pending(), 1U);
  timers.advance(1ms);
  EXPECT_EQ(host->pending(), 0U);
  timers.advance(1s);
  EXPECT_EQ(read(), raw_bytes({0x2a}));
  EXPECT_TRUE(read().empty()) << "what nobody fetched is not repeated";
}

TEST_F(VendorTest, LeavesNothingBehind) {
  plug(kLight);
  (void)read();
  host.reset();
  device.reset();
  EXPECT_EQ(timers.pending(), 0U);
}

std::string refusal(std::string_view text) {
  const auto script = parse_vendor_script(text, "f");
  return script ? "taken" : script.error().text();
}

TEST(VendorScript, NamesTheLineThatIsWrong) {
  EXPECT_THAT(refusal("device 1209:0001\n\nfly\n"),
              HasSubstr("cannot use f: line 3: 'fly' is none of device, manufacturer,"));
  EXPECT_THAT(refusal("device 1209\n"), HasSubstr("line 1: 'device' takes ids such as 1209:0010"));
  EXPECT_THAT(refusal("product Light"), HasSubstr("line 1: the text has to stand in quotes"));
  EXPECT_THAT(refusal("product \"Light"), HasSubstr("line 1: a quote is not closed"));
  EXPECT_THAT(refusal("endpoint 81 fast"), HasSubstr("an endpoint is 'bulk', or"));
  EXPECT_THAT(refusal("on out 02: accept"), HasSubstr("there is no such OUT endpoint above"));
  EXPECT_THAT(refusal("on control 80 06: accept"), HasSubstr("standard requests are answered by"));
  EXPECT_THAT(refusal("on control 40 01: answer 1"), HasSubstr("only control IN requests"));
  EXPECT_THAT(refusal("on control c0 100: answer 1"), HasSubstr("'100' is not a hexadecimal"));
  EXPECT_THAT(refusal("on control c0 01 answer 1"), HasSubstr("line 1: "));
  EXPECT_THAT(refusal("every 0: accept"), HasSubstr("it is shorter than 1ms"));
  EXPECT_THAT(refusal(std::string(kMaxVendorScript + 1, '#')), HasSubstr("larger than 1 MiB"));
}

}  // namespace
}  // namespace periprox::emulated
