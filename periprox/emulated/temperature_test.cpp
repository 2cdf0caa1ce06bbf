#include "periprox/emulated/temperature.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <sstream>

#include "periprox/base/unique_fd.hpp"

namespace periprox::emulated {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::array kSettings{SettingInfo{"celsius", "21.5", ""}, SettingInfo{"ramp", "", ""},
                               SettingInfo{"sine", "", ""}, SettingInfo{"file", "", ""}};

std::vector<MicroCelsius> take(TemperatureSource& source, int count) {
  std::vector<MicroCelsius> values;
  for (int i = 0; i < count; ++i) values.push_back(source(TimePoint{}).value_or(-1));
  return values;
}

TEST(Temperature, RoundsToTheNearest128th) {
  EXPECT_EQ(to_128ths(21'500'000), 2752);
  EXPECT_EQ(to_128ths(-40'000'000), -5120);
  EXPECT_EQ(to_128ths(3'900), 0);
  EXPECT_EQ(to_128ths(3'907), 1);
  EXPECT_EQ(to_128ths(-3'907), -1);
  EXPECT_EQ(to_128ths(kColdest), -32768);
  EXPECT_EQ(to_128ths(kHottest), 32767);
}

TEST(Temperature, RampGivesEachValueOnceThenStays) {
  auto source = ramp_temperature(20'000'000, 20'300'000, 100'000);
  EXPECT_THAT(take(source, 6),
              ElementsAre(20'000'000, 20'100'000, 20'200'000, 20'300'000, 20'300'000, 20'300'000));
}

TEST(Temperature, RampFallsToo) {
  auto source = ramp_temperature(1'000'000, -1'000'000, -1'500'000);
  EXPECT_THAT(take(source, 3), ElementsAre(1'000'000, -500'000, -500'000));
}

TEST(Temperature, SineGoesUpAndDownAroundItsMean) {
  auto source = sine_temperature(20'000'000, 5'000'000, 60s);
  const TimePoint start{};
  EXPECT_EQ(source(start), 20'000'000);
  EXPECT_EQ(source(start + 15s), 25'000'000);
  EXPECT_EQ(source(start + 45s), 15'000'000);
  EXPECT_EQ(source(start + 60s), 20'000'000);
}

TEST(Temperature, ListGivesEachLineThenStays) {
  std::istringstream file("1\n 2.5\r\n\n-3");
  auto source = listed_temperature(file, "list").value();
  EXPECT_THAT(take(source, 4), ElementsAre(1'000'000, 2'500'000, -3'000'000, -3'000'000));
}

TEST(Temperature, ListNamesALineThatIsNoTemperature) {
  std::istringstream file("1\nwarm\n");
  const auto source = listed_temperature(file, "list");
  ASSERT_FALSE(source);
  EXPECT_THAT(source.error().text(), HasSubstr("line 2 of list is 'warm'"));
}

TEST(Temperature, ListRefusesAnEmptyFile) {
  std::istringstream file("\n");
  EXPECT_FALSE(listed_temperature(file, "list"));
}

TEST(Temperature, StreamGivesLinesAsTheyArrive) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const UniqueFd reader(pipe[0]);
  UniqueFd writer(pipe[1]);
  std::vector<std::string> complaints;
  auto source = streamed_temperature(
      reader.get(), [&](const std::string& complaint) { complaints.push_back(complaint); });
  const auto send = [&](std::string_view text) {
    ASSERT_EQ(::write(writer.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  };
  EXPECT_EQ(source(TimePoint{}), std::nullopt);
  send("1\n2");
  EXPECT_EQ(source(TimePoint{}), 1'000'000);
  EXPECT_EQ(source(TimePoint{}), 1'000'000) << "the second line is not whole yet";
  send(".5\nwarm\n3\n4");
  EXPECT_EQ(source(TimePoint{}), 2'500'000);
  EXPECT_EQ(source(TimePoint{}), 3'000'000);
  EXPECT_THAT(complaints, ElementsAre(HasSubstr("line 3 of standard input is 'warm'")));
  writer.reset();
  EXPECT_EQ(source(TimePoint{}), 4'000'000) << "the last line lacks its newline";
  EXPECT_EQ(source(TimePoint{}), 4'000'000);
}

TEST(Temperature, SettingsChooseOneSource) {
  const Settings settings{{"ramp", "20:21:0.5"}};
  SettingsReader reader("go_temp", settings, kSettings);
  auto source = temperature_from(reader).value();
  EXPECT_THAT(take(source, 3), ElementsAre(20'000'000, 20'500'000, 21'000'000));
}

TEST(Temperature, SettingsThatMakeNoSenseAreRefused) {
  for (const Settings& settings :
       {Settings{{"celsius", "300"}}, Settings{{"celsius", "warm"}}, Settings{{"ramp", "1:2"}},
        Settings{{"ramp", "1:2:-1"}}, Settings{{"ramp", "1:2:0"}}, Settings{{"ramp", "1:2:1:1"}},
        Settings{{"sine", "20:5:0"}}, Settings{{"sine", "255:5:1"}},
        Settings{{"celsius", "1"}, {"file", "-"}}}) {
    SettingsReader reader("go_temp", settings, kSettings);
    (void)temperature_from(reader);
    EXPECT_TRUE(reader.error()) << settings.begin()->second;
  }
}

TEST(Temperature, AFileThatIsNotThereIsAnError) {
  const Settings settings{{"file", "/nonexistent/celsius"}};
  SettingsReader reader("go_temp", settings, kSettings);
  const auto source = temperature_from(reader);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().kind, Error::Kind::NotFound);
}

}  // namespace
}  // namespace periprox::emulated
