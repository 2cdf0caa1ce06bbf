// The keyboard as a host's HID driver sees it.
#include "periprox/emulated/keyboard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/memory_stream_testing.hpp"
#include "periprox/emulated/function_testing.hpp"

namespace periprox::emulated {
namespace {

using namespace std::chrono_literals;
using periprox::testing::MemoryStream;
using usb::Status;

constexpr usb::EndpointAddress kIn(0x81);

class KeyboardTest : public ::testing::Test, protected testing::FunctionRig {
 protected:
  void plug_keyboard(Duration interval = 1ms, usb::Speed speed = usb::Speed::High) {
    keyboard = std::make_shared<Keyboard>(timers);
    plug({[this, interval](Place place) { return keyboard_function(keyboard, place, interval); }},
         speed);
  }
  std::vector<std::byte> report() { return read(kIn, 8).data; }
  static std::vector<std::byte> keys(int modifiers, int first = 0, int second = 0) {
    return raw_bytes({modifiers, 0, first, second, 0, 0, 0, 0});
  }

  std::shared_ptr<Keyboard> keyboard;
};

TEST_F(KeyboardTest, IsABootKeyboard) {
  plug_keyboard();
  const auto& interface = device->model().active_configuration()->interfaces.at(0);
  EXPECT_EQ(interface.alternate_settings.at(0).descriptor.class_code(), (usb::ClassCode{3, 1, 1}));
}

TEST_F(KeyboardTest, ServesItsReportDescriptorInTheLengthItAnnounces) {
  plug_keyboard();
  const auto hid = control({0x81, 6, 0x2100, 0, 255}).data;
  const auto report_descriptor = control({0x81, 6, 0x2200, 0, 255}).data;
  ASSERT_EQ(hid.size(), 9U);
  EXPECT_EQ(std::to_integer<std::size_t>(hid[7]), report_descriptor.size());
}

TEST_F(KeyboardTest, PressesAndReleasesEachCharacter) {
  plug_keyboard();
  ASSERT_TRUE(keyboard->type("aB\n"));
  EXPECT_EQ(report(), keys(0, 0x04));
  EXPECT_EQ(report(), keys(0));
  EXPECT_EQ(report(), keys(2, 0x05));
  EXPECT_EQ(report(), keys(0));
  EXPECT_EQ(report(), keys(0, 0x28));
  EXPECT_EQ(report(), keys(0));
}

TEST_F(KeyboardTest, HasAKeyForEveryPrintableAsciiCharacter) {
  for (char character = ' '; character <= '~'; ++character) {
    EXPECT_TRUE(key_for(character)) << character;
  }
}

TEST_F(KeyboardTest, TypesNothingWhenACharacterHasNoKey) {
  plug_keyboard();
  const auto typed = keyboard->type("a\xc3\xa4");
  ASSERT_FALSE(typed);
  EXPECT_THAT(typed.error().why, ::testing::HasSubstr("no key for byte 195"));
  EXPECT_EQ(keyboard->input().waiting(), 0U);
}

TEST_F(KeyboardTest, ReleasesAChordInReverse) {
  plug_keyboard();
  ASSERT_TRUE(keyboard->press("ctrl+alt+delete"));
  EXPECT_EQ(report(), keys(1));
  EXPECT_EQ(report(), keys(5));
  EXPECT_EQ(report(), keys(5, 0x4c));
  EXPECT_EQ(report(), keys(5));
  EXPECT_EQ(report(), keys(1));
  EXPECT_EQ(report(), keys(0));
}

TEST_F(KeyboardTest, ReportsRollOverBeyondSixKeys) {
  plug_keyboard();
  for (const auto* key : {"a", "b", "c", "d", "e", "f", "g"}) ASSERT_TRUE(keyboard->down(key));
  for (int i = 0; i < 6; ++i) (void)report();
  EXPECT_EQ(report(), raw_bytes({0, 0, 1, 1, 1, 1, 1, 1}));
  ASSERT_TRUE(keyboard->up("a"));
  EXPECT_EQ(report(), raw_bytes({0, 0, 5, 6, 7, 8, 9, 10}));
}

TEST_F(KeyboardTest, SaysNothingWhileNothingHappens) {
  plug_keyboard();
  EXPECT_EQ(read(kIn, 8).status, Status::InProgress);
}

TEST_F(KeyboardTest, TellsItsLeds) {
  plug_keyboard();
  std::vector<std::string> told;
  keyboard->on_leds = [&](std::uint8_t leds) { told.push_back(led_names(leds)); };
  EXPECT_EQ(control({0x21, 0x09, 0x0200, 0, 1}, raw_bytes({3})).status, Status::Ok);
  EXPECT_EQ(control({0x21, 0x09, 0x0200, 0, 1}, raw_bytes({0})).status, Status::Ok);
  EXPECT_THAT(told, ::testing::ElementsAre("num lock, caps lock", "none"));
}

TEST_F(KeyboardTest, RefusesAReportItDoesNotHave) {
  plug_keyboard();
  EXPECT_EQ(control({0x21, 0x09, 0x0300, 0, 1}, raw_bytes({3})).status, Status::Stalled);
  EXPECT_EQ(control({0xa1, 0x01, 0x0300, 0, 8}).status, Status::Stalled);
}

TEST_F(KeyboardTest, RepeatsItsLastReportAtTheIdleRate) {
  plug_keyboard();
  ASSERT_TRUE(keyboard->down("a"));
  EXPECT_EQ(report(), keys(0, 0x04));
  EXPECT_EQ(control({0x21, 0x0a, 0x0500, 0, 0}).status, Status::Ok);
  EXPECT_EQ(control({0xa1, 0x02, 0, 0, 1}).data, raw_bytes({5}));
  const auto before = timers.now();
  EXPECT_EQ(report(), keys(0, 0x04));
  EXPECT_LE(timers.now() - before, 20ms + 125us);
  const auto second = timers.now();
  EXPECT_EQ(report(), keys(0, 0x04));
  EXPECT_EQ(timers.now() - second, 20ms);
}

TEST_F(KeyboardTest, KnowsBootAndReportProtocol) {
  plug_keyboard();
  EXPECT_EQ(control({0xa1, 0x03, 0, 0, 1}).data, raw_bytes({1}));
  EXPECT_EQ(control({0x21, 0x0b, 0, 0, 0}).status, Status::Ok);
  EXPECT_EQ(control({0xa1, 0x03, 0, 0, 1}).data, raw_bytes({0}));
  EXPECT_EQ(control({0x21, 0x0b, 2, 0, 0}).status, Status::Stalled);
}

TEST_F(KeyboardTest, ForgetsPressedKeysInAReset) {
  plug_keyboard();
  ASSERT_TRUE(keyboard->down("shift"));
  (void)control(usb::SetupPacket::port_reset());
  ASSERT_TRUE(keyboard->type("a"));
  EXPECT_EQ(report(), keys(0, 0x04));
}

TEST_F(KeyboardTest, DeliversOneReportInEachIntervalAt8Khz) {
  plug_keyboard(125us);
  constexpr std::size_t kPresses = 4000;
  for (std::size_t i = 0; i < kPresses; ++i) {
    ASSERT_TRUE(keyboard->type(std::string(1, static_cast<char>('a' + i % 26))));
  }
  host->then = [this](std::uint64_t) { host->in(kIn, 8); };
  const auto start = timers.now();
  host->in(kIn, 8);
  while (keyboard->input().waiting() > 0) timers.advance(125us);
  EXPECT_LE(timers.now() - start, 1s);
  ASSERT_EQ(host->completions().size(), 2 * kPresses);
  for (std::size_t i = 0; i < kPresses; ++i) {
    EXPECT_EQ(host->completions()[2 * i].data, keys(0, static_cast<int>(4 + i % 26)));
    EXPECT_EQ(host->completions()[2 * i + 1].data, keys(0));
  }
  host->then = {};
}

// --- emulated:keyboard ---------------------------------------------------------------------------

class KeyboardTypeTest : public ::testing::Test, protected testing::FunctionRig {
 protected:
  /// Creates the device by its settings; its streams are `stream`.
  void create_keyboard(const Settings& settings) {
    auto created =
        create("keyboard", settings,
               Surroundings{.timers = timers,
                            .open_stream =
                                [this](std::string_view where) {
                                  opened = where;
                                  auto made = std::make_unique<MemoryStream>();
                                  stream = made.get();
                                  return made;
                                },
                            .note = [this](const std::string& text) { notes.push_back(text); }});
    ASSERT_TRUE(created) << created.error().text();
    typed_on = std::move(*created);
    host = std::make_unique<usb::testing::TestHost>(*typed_on);
  }
  /// The keys that were pressed, by their usages, in the next `count` reports.
  std::vector<int> pressed(int count) {
    std::vector<int> usages;
    for (int i = 0; i < count; ++i) {
      const auto data = read(kIn, 8).data;
      if (data.size() == 8 && data[2] != std::byte{})
        usages.push_back(std::to_integer<int>(data[2]));
    }
    return usages;
  }

  std::string opened;
  MemoryStream* stream = nullptr;
  std::vector<std::string> notes;
  std::unique_ptr<usb::Device> typed_on;
};

TEST_F(KeyboardTypeTest, TypesWhatArrives) {
  create_keyboard({{"input", "-"}});
  EXPECT_EQ(opened, "-");
  stream->arrive("ab");
  EXPECT_THAT(pressed(4), ::testing::ElementsAre(4, 5));
  stream->arrive("c");
  EXPECT_THAT(pressed(2), ::testing::ElementsAre(6));
}

TEST_F(KeyboardTypeTest, TakesNoMoreThanTheHostAsksFor) {
  create_keyboard({{"input", "-"}});
  (void)host->in(kIn, 8);
  stream->arrive(std::string(10'000, 'a'));
  EXPECT_GE(stream->unread(), 10'000 - HidInput::kFewReports);
  EXPECT_EQ(pressed(2000).size(), 1000U);
}

TEST_F(KeyboardTypeTest, SkipsAndNamesWhatItCannotType) {
  create_keyboard({{"input", "-"}});
  stream->arrive(
      "a\xff"
      "b");
  EXPECT_THAT(pressed(4), ::testing::ElementsAre(4, 5));
  EXPECT_THAT(notes, ::testing::ElementsAre(::testing::HasSubstr("no key for byte 255")));
}

TEST_F(KeyboardTypeTest, FollowsAScriptWithItsTiming) {
  create_keyboard({{"script", "/tmp/script"}});
  stream->arrive("# greeting\ntype hi there\nwait 300ms\npress enter\nfly\n");
  EXPECT_EQ(pressed(16).size(), 8U);
  const auto before = timers.now();
  EXPECT_THAT(pressed(2), ::testing::ElementsAre(0x28));
  EXPECT_GE(timers.now() - before, 280ms);
  EXPECT_THAT(notes, ::testing::ElementsAre(::testing::StartsWith("line 5 is skipped:")));
}

TEST_F(KeyboardTypeTest, RefusesTextAndScriptAtOnce) {
  const auto created = create("keyboard", {{"input", "-"}, {"script", "-"}}, timers);
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().kind, Error::Kind::Usage);
}

TEST_F(KeyboardTypeTest, TakesTheIdsOfAnotherDevice) {
  create_keyboard({{"ids", "046d:c31c"}, {"serial", "K1"}});
  EXPECT_EQ(typed_on->model().descriptor().idVendor, 0x046d);
  EXPECT_EQ(typed_on->model().descriptor().idProduct, 0xc31c);
  EXPECT_EQ(typed_on->model().serial_number, "K1");
  EXPECT_FALSE(create("keyboard", {{"ids", "046dc31c"}}, timers));
}

}  // namespace
}  // namespace periprox::emulated
