#include "periprox/physical/locator.hpp"

#include <gtest/gtest.h>

namespace periprox::physical {
namespace {

TEST(BusId, IsABusAndAChainOfPorts) {
  EXPECT_TRUE(is_bus_id("1-1"));
  EXPECT_TRUE(is_bus_id("10-1.4.12"));
}

TEST(BusId, IsNothingElse) {
  for (const char* text : {"", "1", "-1", "1-", "1-1.", "1-.1", "1-1..2", "usb1", "1-1:1.0", "1-1 ",
                           " 1-1", "1-1\n", "../1-1", "1-1/../2", "a-1", "1-0x1"}) {
    EXPECT_FALSE(is_bus_id(text)) << text;
  }
  EXPECT_FALSE(is_bus_id(std::string_view("1-1\0", 4)));
}

TEST(BusId, FitsTheFieldOfUsbip) {
  EXPECT_TRUE(is_bus_id("1-1" + std::string(28, '1')));
  EXPECT_FALSE(is_bus_id("1-1" + std::string(29, '1')));
}

TEST(BusId, TellsHubAndPort) {
  EXPECT_EQ(hub_of_bus_id("1-2"), "usb1");
  EXPECT_EQ(port_of_bus_id("1-2"), 2U);
  EXPECT_EQ(hub_of_bus_id("3-1.4.12"), "3-1.4");
  EXPECT_EQ(port_of_bus_id("3-1.4.12"), 12U);
}

TEST(Locator, ReadsABusId) { EXPECT_EQ(parse_locator("1-1.2")->busid, "1-1.2"); }

TEST(Locator, ReadsIds) {
  const auto locator = parse_locator("0x08f7.0xAB02");
  ASSERT_TRUE(locator);
  EXPECT_EQ(locator->idVendor, 0x08f7);
  EXPECT_EQ(locator->idProduct, 0xab02);
  EXPECT_FALSE(locator->serial_number);
}

TEST(Locator, ReadsASerialNumber) {
  EXPECT_EQ(*parse_locator("0x08f7.0x0002@A@B:1")->serial_number, "A@B:1");
}

TEST(Locator, FormatsWhatItReads) {
  EXPECT_EQ(format_locator(*parse_locator("0x08F7.0x0002@S1")), "0x08f7.0x0002@S1");
  EXPECT_EQ(format_locator(*parse_locator("2-1")), "2-1");
}

TEST(Locator, RefusesAnythingElse) {
  for (const char* text :
       {"", "08f7:0002", "0x8f7.0x2", "0x08f7.0x0002x", "0x08f7", "0x08f7.", "0x08f7.0x",
        "0x08f7.0x00 2", "0x-8f7.0x0002", "0x08f7.0x0002@", "0x08f7,0x0002", "foo"}) {
    const auto locator = parse_locator(text);
    ASSERT_FALSE(locator) << text;
    EXPECT_EQ(locator.error().kind, Error::Kind::Usage) << text;
  }
  EXPECT_FALSE(parse_locator("0x08f7.0x0002@" + std::string(1000, 'a')));
}

TEST(Locator, ExplainsInterfacesAndRootHubs) {
  EXPECT_EQ(parse_locator("1-1:1.0").error().text(),
            "\"1-1:1.0\" names no device: it is an interface, and only whole devices are shared "
            "(use 1-1)");
  EXPECT_NE(parse_locator("usb1").error().why.find("root hub"), std::string::npos);
}

TEST(Locator, ShowsNoControlCharactersOfWhatWasTyped) {
  EXPECT_EQ(parse_locator("a\033[2Jb").error().what, "\"a?[2Jb\" names no device");
}

TEST(NodePath, HasThreeDigits) { EXPECT_EQ(node_path({}, 1, 12), "/dev/bus/usb/001/012"); }

}  // namespace
}  // namespace periprox::physical
