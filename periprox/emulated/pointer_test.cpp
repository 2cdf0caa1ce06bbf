// Mouse and tablet as a host's HID driver sees them.
#include "periprox/emulated/pointer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/memory_stream_testing.hpp"
#include "periprox/emulated/function_testing.hpp"

namespace periprox::emulated {
namespace {

using namespace std::chrono_literals;
using periprox::testing::MemoryStream;

constexpr usb::EndpointAddress kIn(0x81);

class PointerTest : public ::testing::Test, protected testing::FunctionRig {
 protected:
  void plug_pointer(Pointer::Kind kind) {
    pointer = std::make_shared<Pointer>(kind, timers);
    plug({[this](Place place) { return pointer_function(pointer, place, 1ms); }});
  }
  std::vector<std::byte> report() { return read(kIn, 8).data; }

  std::shared_ptr<Pointer> pointer;
};

TEST_F(PointerTest, AMouseSaysHowFarItMoved) {
  plug_pointer(Pointer::Kind::Mouse);
  pointer->move(10, -5);
  EXPECT_EQ(report(), raw_bytes({0, 10, 0xfb, 0, 0}));
}

TEST_F(PointerTest, ALongWayTakesSeveralReports) {
  plug_pointer(Pointer::Kind::Mouse);
  pointer->move(300, -128);
  EXPECT_EQ(report(), raw_bytes({0, 127, 0x81, 0, 0}));
  EXPECT_EQ(report(), raw_bytes({0, 127, 0xff, 0, 0}));
  EXPECT_EQ(report(), raw_bytes({0, 46, 0, 0, 0}));
  EXPECT_EQ(pointer->input().waiting(), 0U);
}

TEST_F(PointerTest, AMouseHasFiveButtonsAndAWheelThatTilts) {
  plug_pointer(Pointer::Kind::Mouse);
  ASSERT_TRUE(pointer->down("left"));
  ASSERT_TRUE(pointer->down("extra"));
  ASSERT_TRUE(pointer->up("left"));
  pointer->wheel(-1, 2);
  EXPECT_EQ(report(), raw_bytes({1, 0, 0, 0, 0}));
  EXPECT_EQ(report(), raw_bytes({0x11, 0, 0, 0, 0}));
  EXPECT_EQ(report(), raw_bytes({0x10, 0, 0, 0, 0}));
  EXPECT_EQ(report(), raw_bytes({0x10, 0, 0, 0xff, 2}));
}

TEST_F(PointerTest, ATabletSaysWhereItIs) {
  plug_pointer(Pointer::Kind::Tablet);
  pointer->move_to(0x1234, 32767);
  pointer->move(-0x34, 10);
  EXPECT_EQ(report(), raw_bytes({0, 0x34, 0x12, 0xff, 0x7f, 0}));
  EXPECT_EQ(report(), raw_bytes({0, 0x00, 0x12, 0xff, 0x7f, 0}));
  EXPECT_FALSE(pointer->down("extra"));
}

TEST_F(PointerTest, MovesByCommands) {
  MemoryStream* stream = nullptr;
  std::vector<std::string> notes;
  auto created =
      create("tablet", {{"input", "-"}},
             Surroundings{.timers = timers,
                          .open_stream =
                              [&](std::string_view) {
                                auto made = std::make_unique<MemoryStream>();
                                stream = made.get();
                                return made;
                              },
                          .note = [&](const std::string& text) { notes.push_back(text); }});
  ASSERT_TRUE(created);
  const auto tablet = std::move(*created);
  host = std::make_unique<usb::testing::TestHost>(*tablet);
  stream->arrive("to 100 200\nclick left\nwheel 1\nto 1 40000\nmove x y\n");
  EXPECT_EQ(report(), raw_bytes({0, 100, 0, 200, 0, 0}));
  EXPECT_EQ(report(), raw_bytes({1, 100, 0, 200, 0, 0}));
  EXPECT_EQ(report(), raw_bytes({0, 100, 0, 200, 0, 0}));
  EXPECT_EQ(report(), raw_bytes({0, 100, 0, 200, 0, 1}));
  EXPECT_THAT(notes,
              ::testing::ElementsAre("line 4 is skipped: '40000' is not a place from 0 to 32767",
                                     "line 5 is skipped: 'x' is not a way from -32767 to 32767"));
  host.reset();
}

}  // namespace
}  // namespace periprox::emulated
