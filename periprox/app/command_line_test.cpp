#include "periprox/app/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/app/arguments.hpp"
#include "periprox/app/highlight.hpp"
#include "periprox/app/table.hpp"

namespace periprox::app {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

template <typename... Words>
Result<Command> parse(Words... words) {
  const std::vector<const char*> argv{"periprox", words...};
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}
template <typename Verb, typename... Words>
Verb parse_as(Words... words) {
  auto command = parse(words...);
  if (!command) {
    ADD_FAILURE() << command.error().text();
    return {};
  }
  return std::get<Verb>(std::get<Options>(*command));
}

TEST(CommandLine, ServeTakesDevicesAndListenersInAnyOrder) {
  const auto options = parse_as<ServeOptions>("serve", "--listen", "tcp://a", "1-1", "--listen",
                                              "unix:/b", "emulated:zero");
  EXPECT_THAT(options.devices, ElementsAre("1-1", "emulated:zero"));
  EXPECT_THAT(options.listen, ElementsAre("tcp://a", "unix:/b"));
}

TEST(CommandLine, TransferReadsASetupPacket) {
  const auto options =
      parse_as<TransferOptions>("transfer", "1-1", "control", "0x80", "6", "0x0100", "0x409", "18",
                                "--timeout", "0.25", "--hex");
  const auto& setup = std::get<ControlTransfer>(options.transfer).setup;
  EXPECT_EQ(setup, usb::SetupPacket::get_descriptor(1, 0, 18, 0x409));
  EXPECT_EQ(options.timeout, milliseconds(250));
  EXPECT_TRUE(options.hex);
}

TEST(CommandLine, TransferReadsEndpointLengthCountAndSettings) {
  const auto options = parse_as<TransferOptions>("transfer", "1-1", "--setting", "0:1", "in",
                                                 "0x81", "64", "--count", "0", "--setting", "2:3");
  const auto& transfer = std::get<InTransfer>(options.transfer);
  EXPECT_EQ(transfer.endpoint, usb::EndpointAddress(0x81));
  EXPECT_EQ(transfer.length, 64U);
  EXPECT_EQ(transfer.count, 0U);
  EXPECT_THAT(options.settings, ElementsAre(std::pair(0, 1), std::pair(2, 3)));
}

TEST(CommandLine, HelpAndVersionAreTexts) {
  EXPECT_TRUE(std::holds_alternative<std::string>(*parse("--help")));
  EXPECT_TRUE(std::holds_alternative<std::string>(*parse("serve", "--help")));
  EXPECT_THAT(std::get<std::string>(*parse("--version")), testing::StartsWith("periprox "));
}

TEST(CommandLine, WrongUsageIsToldAsSuch) {
  EXPECT_EQ(parse().error().kind, Error::Kind::Usage);
  EXPECT_EQ(parse("serve").error().kind, Error::Kind::Usage);
  EXPECT_EQ(parse("transfer", "1-1", "in", "0x81").error().kind, Error::Kind::Usage);
  EXPECT_EQ(parse("transfer", "1-1", "in", "0x81", "99999999").error().kind, Error::Kind::Usage);
  EXPECT_EQ(parse("transfer", "1-1", "control", "256", "0", "0", "0", "0").error().kind,
            Error::Kind::Usage);
}

TEST(ParseNumber, TakesDecimalAndHexadecimalUpToTheLimit) {
  EXPECT_EQ(*parse_number("x", "18", 255), 18U);
  EXPECT_EQ(*parse_number("x", "0xfF", 255), 255U);
  EXPECT_FALSE(parse_number("x", "256", 255));
  EXPECT_FALSE(parse_number("x", "99999999999999999999", 255));
  EXPECT_FALSE(parse_number("x", "-1", 255));
  EXPECT_FALSE(parse_number("x", "1 ", 255));
  EXPECT_FALSE(parse_number("x", "0x", 255));
  EXPECT_FALSE(parse_number("x", "", 255));
}

TEST(ParseSeconds, TakesFractionsAboveNothing) {
  EXPECT_EQ(*parse_seconds("x", "1.5"), milliseconds(1500));
  EXPECT_FALSE(parse_seconds("x", "0"));
  EXPECT_FALSE(parse_seconds("x", "-1"));
  EXPECT_FALSE(parse_seconds("x", "nan"));
  EXPECT_FALSE(parse_seconds("x", "inf"));
  EXPECT_FALSE(parse_seconds("x", "86401"));
  EXPECT_FALSE(parse_seconds("x", "5s"));
}

TEST(ParseSetting, TakesTwoNumbers) {
  EXPECT_EQ(*parse_setting("2:0x1"), std::pair(std::uint8_t{2}, std::uint8_t{1}));
  EXPECT_FALSE(parse_setting("2"));
  EXPECT_FALSE(parse_setting("2:"));
  EXPECT_FALSE(parse_setting("2:256"));
}

TEST(Table, AlignsItsColumnsAndLeavesNoBlanksAtLineEnds) {
  Table table({"A", "LONGER", "C"});
  table.add({"value", "x", ""});
  table.add({"v\x1b", "", "c"});
  EXPECT_EQ(table.text(),
            "A      LONGER  C\n"
            "value  x\n"
            "v?             c\n");
}

TEST(Highlight, MarksHeadsAndNotes) {
  EXPECT_EQ(highlight("Device\n  idVendor  0x08f7\n  bInterval  10  10 ms\n"),
            "\x1b[1mDevice\x1b[0m\n  idVendor  0x08f7\n  bInterval  10  \x1b[2m10 ms\x1b[0m\n");
}

}  // namespace
}  // namespace periprox::app
