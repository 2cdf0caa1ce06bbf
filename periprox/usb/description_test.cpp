#include "periprox/usb/description.hpp"

#include <gtest/gtest.h>

namespace periprox::usb {
namespace {

TEST(RenderText, IndentsAndAlignsSiblings) {
  DescriptionNode root{"Device", "0x1234.0x5678", "A Thing", {}};
  root.add("bShort", "1", "one");
  root.add("bMuchLonger", "0x10", "sixteen");
  root.add("Inner").add("bField", "2");
  EXPECT_EQ(render_text(root),
            "Device 0x1234.0x5678  A Thing\n"
            "  bShort       1     one\n"
            "  bMuchLonger  0x10  sixteen\n"
            "  Inner\n"
            "    bField  2\n");
}

TEST(RenderText, KeepsLongValuesOutOfTheColumns) {
  DescriptionNode root{"Root", "", "", {}};
  root.add("bField", "1", "one");
  root.add("Some Longer Heading", "00 11 22 33 44", "bytes");
  EXPECT_EQ(render_text(root),
            "Root\n"
            "  bField  1  one\n"
            "  Some Longer Heading  00 11 22 33 44  bytes\n");
}

TEST(RenderText, LeavesNoSpaceAtTheEndOfALine) {
  DescriptionNode root{"Root", "", "", {}};
  root.add("a");
  root.add("longer", "1");
  root.add("noted", "", "note");
  EXPECT_EQ(render_text(root), "Root\n  a\n  longer  1\n  noted     note\n");
}

TEST(RenderText, DoesNotLetADeviceSteerTheTerminal) {
  EXPECT_EQ(render_text({"a", "\x1b[2J", "b\nc\x7f", {}}), "a  \\u001b[2J  b\\u000ac\\u007f\n");
  EXPECT_EQ(render_text({"a",
                         "\xc2\x9b"
                         "31m",
                         "",
                         {}}),
            "a  \\u009b31m\n");
  EXPECT_EQ(render_text({"a", "x\xe2\x80\xaey", "", {}}), "a  x\\u202ey\n");
}

TEST(RenderText, LeavesOtherLettersAlone) {
  EXPECT_EQ(render_text({"a", "Müller €\U0001f600", "", {}}), "a  Müller €\U0001f600\n");
  EXPECT_EQ(render_text({"a", "\xff\xe2\x82", "", {}}), "a  \xff\xe2\x82\n");
}

TEST(DescriptionNode, FindsAChildByItsName) {
  DescriptionNode root{"Root", "", "", {}};
  root.add("a", "1");
  root.add("b", "2");
  ASSERT_NE(root.find("b"), nullptr);
  EXPECT_EQ(root.find("b")->value, "2");
  EXPECT_EQ(root.find("c"), nullptr);
}

}  // namespace
}  // namespace periprox::usb
