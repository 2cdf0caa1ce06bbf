#include "periprox/emulated/command_feed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/memory_stream_testing.hpp"
#include "periprox/base/simulated_timers.hpp"

namespace periprox::emulated {
namespace {

using namespace std::chrono_literals;
using periprox::testing::MemoryStream;

class CommandFeedTest : public ::testing::Test {
 protected:
  CommandFeedTest() {
    auto made = std::make_unique<MemoryStream>();
    stream = made.get();
    feed = std::make_shared<CommandFeed>(
        std::move(made), timers,
        CommandFeed::Options{
            .run = [this](const Command& command) -> Result<void> {
              if (command.words.front() == "bad") return bad_command("it is bad");
              done.emplace_back(command.rest);
              return {};
            },
            .has_room = [this] { return done.size() < room; },
            .complain = [this](const std::string& text) { complaints.push_back(text); }});
    feed->go_on();
  }

  SimulatedTimers timers;
  MemoryStream* stream = nullptr;
  std::shared_ptr<CommandFeed> feed;
  std::vector<std::string> done;
  std::vector<std::string> complaints;
  std::size_t room = 100;
};

TEST_F(CommandFeedTest, TakesLinesThatArriveInPieces) {
  stream->arrive("say on");
  EXPECT_THAT(done, ::testing::IsEmpty());
  stream->arrive("e\nsay  two \r\n\n# no\nsay three");
  EXPECT_THAT(done, ::testing::ElementsAre("one", "two"));
  stream->end();
  EXPECT_THAT(done, ::testing::ElementsAre("one", "two", "three"));
}

TEST_F(CommandFeedTest, WaitsForRoom) {
  room = 1;
  stream->arrive("say 1\nsay 2\n");
  EXPECT_THAT(done, ::testing::ElementsAre("1"));
  room = 2;
  feed->go_on();
  EXPECT_THAT(done, ::testing::ElementsAre("1", "2"));
}

TEST_F(CommandFeedTest, WaitsAsLongAsItIsTold) {
  stream->arrive("wait 20ms\nsay x\n");
  timers.advance(19ms);
  feed->go_on();
  EXPECT_THAT(done, ::testing::IsEmpty());
  timers.advance(1ms);
  EXPECT_THAT(done, ::testing::ElementsAre("x"));
}

TEST_F(CommandFeedTest, NamesTheLinesItSkips) {
  stream->arrive("\nbad\nwait\nwait never\n" + std::string(10'000, 'x') + "\nsay y\n");
  EXPECT_THAT(
      complaints,
      ::testing::ElementsAre(
          "line 2 is skipped: it is bad", "line 3 is skipped: 'wait' takes a time, such as 250ms",
          "line 4 is skipped: 'never' is not a time of at most a day, such as 250ms",
          "line 5 is skipped: it is longer than 4096 bytes"));
  EXPECT_THAT(done, ::testing::ElementsAre("y"));
}

TEST(ParseTime, KnowsItsUnits) {
  EXPECT_EQ(parse_time("250"), Duration(250ms));
  EXPECT_EQ(parse_time("1.5s"), Duration(1500ms));
  EXPECT_EQ(parse_time("20us"), Duration(20us));
  EXPECT_EQ(parse_time("86400s"), Duration(24h));
  EXPECT_FALSE(parse_time("86401s"));
  EXPECT_FALSE(parse_time("-1s"));
  EXPECT_FALSE(parse_time("s"));
}

}  // namespace
}  // namespace periprox::emulated
