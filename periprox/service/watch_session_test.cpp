#include "periprox/service/watch_session.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace periprox::service {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1s};

/// A server with one device, 1-1, that writes down what it is asked.
class FakeServer final : public WatchedServer {
 public:
  class Feed final : public WatchFeed {
   public:
    explicit Feed(FakeServer& server) : server_(server) {}
    void stop() override { server_.stopped = true; }
    void give_up() override { server_.given_up = true; }

   private:
    FakeServer& server_;
  };

  [[nodiscard]] std::string describe() override { return "the devices\n"; }
  [[nodiscard]] Result<std::unique_ptr<WatchFeed>> start(std::string_view busid,
                                                         std::uint32_t snap_length) override {
    if (busid != "1-1") return fail(Error::Kind::NotFound, "cannot watch", "it is not there");
    asked_length = snap_length;
    return std::make_unique<Feed>(*this);
  }

  std::uint32_t asked_length = 0;
  bool stopped = false;
  bool given_up = false;
};

class WatchSessionTest : public ::testing::Test {
 protected:
  void arrive(std::string_view text) {
    while (!text.empty() && !session.receive_into().empty()) {
      const auto place = session.receive_into().front();
      const auto count = std::min(place.size(), text.size());
      std::memcpy(place.data(), text.data(), count);
      session.received(count);
      text.remove_prefix(count);
    }
  }
  std::string answer() {
    Bytes segment;
    if (session.gather({&segment, 1}) == 0) return {};
    session.written(segment.size());
    return {reinterpret_cast<const char*>(segment.data()), segment.size()};
  }

  FakeServer server;
  WatchSession session{server, kStart};
};

TEST_F(WatchSessionTest, SaysWhatIsExported) {
  arrive("li");
  EXPECT_EQ(answer(), "");
  arrive("st\n");
  EXPECT_EQ(answer(), "the devices\n");
  EXPECT_EQ(answer(), "");
  EXPECT_TRUE(session.finished());
}

TEST_F(WatchSessionTest, WatchesUntilTheWatcherEndsIt) {
  arrive("watch 1-1 64\n");
  EXPECT_TRUE(session.is_watching());
  EXPECT_EQ(server.asked_length, 64U);
  EXPECT_EQ(answer(), "");  // The feed writes by itself.
  arrive("more words mean nothing");
  EXPECT_FALSE(server.stopped);
  session.receive_ended({});
  EXPECT_TRUE(server.stopped);
  EXPECT_FALSE(session.finished());  // What is left is being written.
  session.feed_ended();
  EXPECT_TRUE(session.finished());
  EXPECT_FALSE(server.given_up);
}

TEST_F(WatchSessionTest, EndsWithTheDevice) {
  arrive("watch 1-1 64\n");
  session.device_gone();
  EXPECT_TRUE(server.stopped);
  session.feed_ended();
  EXPECT_TRUE(session.finished());
}

TEST_F(WatchSessionTest, GivesUpWhenTheWatcherDoesNotReadTheEnd) {
  arrive("watch 1-1 64\n");
  session.close();
  EXPECT_EQ(session.wake_at(), kStampLater);
  session.woken(kStart);
  EXPECT_EQ(session.wake_at(), kStart + 2s);
  EXPECT_FALSE(server.given_up);
  session.woken(kStart + 2s);
  EXPECT_TRUE(server.given_up);
}

TEST_F(WatchSessionTest, RefusesWhatItCannotShow) {
  arrive("watch 1-2 64\n");
  EXPECT_EQ(answer(), "error cannot watch: it is not there\n");
  EXPECT_TRUE(session.finished());
}

TEST_F(WatchSessionTest, RefusesWhatIsNoRequest) {
  for (const auto* request : {"\n", "watch\n", "watch 1-1\n", "watch 1-1 x\n", "watch 1-1 1 1\n",
                              "watch 1-1 99999999999\n", "look 1-1 1\n"}) {
    WatchSession other(server, kStart);
    std::memcpy(other.receive_into().front().data(), request, std::strlen(request));
    other.received(std::strlen(request));
    Bytes segment;
    ASSERT_EQ(other.gather({&segment, 1}), 1U) << request;
    EXPECT_TRUE(other.finished());
    EXPECT_FALSE(other.is_watching());
  }
}

TEST_F(WatchSessionTest, RefusesARequestWithoutEnd) {
  arrive(std::string(WatchSession::kLongestRequest, 'x'));
  EXPECT_EQ(answer(), "error this is no request\n");
}

TEST_F(WatchSessionTest, DropsAConnectionThatSaysNothing) {
  EXPECT_EQ(session.wake_at(), kStart + 2s);
  session.woken(kStart + 2s);
  EXPECT_TRUE(session.finished());
}

TEST_F(WatchSessionTest, KeepsNoMoreThanAnyCaptureDoes) {
  arrive("watch 1-1 4294967295\n");
  EXPECT_EQ(server.asked_length, 262'080U);
}

}  // namespace
}  // namespace periprox::service
