#include "periprox/physical/names.hpp"

#include <gtest/gtest.h>

#include "periprox/physical/machine_testing.hpp"

namespace periprox::physical {
namespace {

constexpr std::string_view kList =
    "# comment\n"
    "08f7  Vernier\n"
    "\t0002  Go! Temp\n"
    "\t\t00  an interface\n"
    "0bad\n"
    "zzzz  not hexadecimal\n"
    "\t0003  orphan\n"
    "C 03  Human Interface Device\n"
    "\t01  Boot Interface Subclass\n"
    "HUT 01  Generic Desktop Controls\n"
    "1d6b  Linux Foundation";

class UsbNamesTest : public testing::Test {
 protected:
  FakeMachine machine_;
  UsbNames names_{{machine_.root / "missing", machine_.root / "usb.ids"}};

  void SetUp() override { FakeMachine::write(machine_.root / "usb.ids", kList); }
};

TEST_F(UsbNamesTest, KnowsVendorsProductsAndClasses) {
  EXPECT_EQ(names_.vendor(0x08f7), "Vernier");
  EXPECT_EQ(names_.product(0x08f7, 2), "Go! Temp");
  EXPECT_EQ(names_.class_name(3), "Human Interface Device");
  EXPECT_EQ(names_.vendor(0x1d6b), "Linux Foundation");
}

TEST_F(UsbNamesTest, HasNoNameForWhatIsNotInTheList) {
  EXPECT_EQ(names_.vendor(0x0bad), "");
  EXPECT_EQ(names_.product(0x08f7, 3), "");
  EXPECT_EQ(names_.class_name(1), "");
}

TEST_F(UsbNamesTest, HasNoNamesWithoutAList) {
  const UsbNames none({machine_.root / "missing"});
  EXPECT_EQ(none.vendor(0x08f7), "");
}

}  // namespace
}  // namespace periprox::physical
