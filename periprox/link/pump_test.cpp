#include "periprox/link/pump.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "periprox/link/socket.hpp"
#include "periprox/link/testing.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::link {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::string long_text(std::size_t size) {
  std::string text;
  while (text.size() < size) text += std::to_string(text.size()) + ' ';
  text.resize(size);
  return text;
}

/// A pump on one end of a socket pair.
struct SocketPump : ::testing::Test {
  void start() {
    pump.emplace(loop, std::move(ends.a), std::make_unique<TalkProtocol>(talk),
                 [this](Protocol&) { ++ended; });
  }
  void run_until(const std::function<bool()>& done) { loop.run_until(done); }
  void write(std::string_view text) {
    ASSERT_EQ(::write(ends.b.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  Talk talk;  // Outlives the protocol.
  Loop loop;
  FdPair ends = socket_pair();
  int ended = 0;
  std::optional<Pump> pump;
};

TEST_F(SocketPump, WritesWhatThereIsAtFirst) {
  talk.to_send = "hello";
  start();
  run_until([&] { return talk.to_send.empty(); });
  EXPECT_EQ(read_all(ends.b.get(), 5), "hello");
}

TEST_F(SocketPump, CallsNobodyFromItsConstructor) {
  talk.finished = true;
  start();
  EXPECT_EQ(ended, 0);
  run_until([&] { return ended > 0; });
  EXPECT_EQ(ended, 1);
}

TEST_F(SocketPump, ReadsIntoThePlacesInOrder) {
  start();
  const auto text = long_text(1000);
  write(text);
  run_until([&] { return talk.received.size() == 1000; });
  EXPECT_EQ(talk.received, text);
}

TEST_F(SocketPump, ReadsByteByByteWhenThePlacesAreSmall) {
  talk.room = 1;
  start();
  write("abc");
  run_until([&] { return talk.received.size() == 3; });
  EXPECT_EQ(talk.received, "abc");
}

TEST_F(SocketPump, ReadsEveryPacketOfASocketThatGivesOneAtATime) {
  ends = socket_pair(SOCK_SEQPACKET);
  write("abc");
  write("de");
  start();
  run_until([&] { return talk.received.size() == 5; });
  EXPECT_EQ(talk.received, "abcde");
}

TEST_F(SocketPump, ReadsAfterAnAnswerAtOnceWhatAPeerHasSentMeanwhile) {
  constexpr int kMessages = 100;
  talk.echo = true;
  start();
  int sent = 1;
  talk.gathering = [&] {
    if (sent < kMessages) write(std::to_string(sent++ % 10));
  };
  write("0");
  run_until([&] { return talk.received.size() == kMessages && talk.to_send.empty(); });
  EXPECT_EQ(read_all(ends.b.get(), kMessages), talk.received);
  // Not before it has learned that such a peer is there, and not always: others have their turn.
  EXPECT_GT(talk.received_while_writing, kMessages / 2);
}

TEST_F(SocketPump, LeavesOthersTheirTurnHoweverFastAPeerAnswers) {
  talk.echo = true;
  start();
  bool stop = false;
  std::array<char, 4096> answers;
  talk.gathering = [&] {
    (void)!::recv(ends.b.get(), answers.data(), answers.size(), MSG_DONTWAIT);
    if (!stop) write("again ");
  };
  write("once ");
  loop.call_at(loop.now() + 20ms, [&] { stop = true; });
  run_until([&] { return stop && talk.to_send.empty(); });
  EXPECT_TRUE(stop);
}

TEST_F(SocketPump, EchoesMoreThanTheSocketHolds) {
  talk.echo = true;
  talk.room = 64 * 1024;
  start();
  const auto text = long_text(8 << 20);
  std::thread writer([&] {
    std::size_t done = 0;
    while (done < text.size()) {
      const auto put = ::write(ends.b.get(), text.data() + done, text.size() - done);
      if (put <= 0) break;
      done += static_cast<std::size_t>(put);
    }
  });
  std::string echoed;
  std::thread reader([&] {
    echoed = read_all(ends.b.get(), text.size());
    ::shutdown(ends.b.get(), SHUT_RDWR);
  });
  run_until([&] { return ended > 0; });
  writer.join();
  reader.join();
  EXPECT_EQ(echoed, text);
}

TEST_F(SocketPump, StopsReadingWhenTheProtocolDoes) {
  talk.room = 0;
  start();
  write("abc");
  bool later = false;
  loop.post([&] { loop.post([&] { loop.post([&] { later = true; }); }); });
  run_until([&] { return later; });
  EXPECT_EQ(talk.received, "");
  talk.room = 8;
  talk.waker->wake();
  run_until([&] { return !talk.received.empty(); });
  EXPECT_EQ(talk.received, "abc");
}

TEST_F(SocketPump, WritesWhenWokenFromOutside) {
  start();
  bool said = false;
  loop.post([&] {
    talk.to_send = "news";
    talk.waker->wake();
    talk.waker->wake();
    said = true;
  });
  run_until([&] { return said && talk.to_send.empty(); });
  EXPECT_EQ(read_all(ends.b.get(), 4), "news");
}

TEST_F(SocketPump, WakesTheProtocolAtItsInstant) {
  talk.wake_at = loop.now() + 2ms;
  start();
  run_until([&] { return talk.woken > 0; });
  EXPECT_EQ(talk.woken, 1);
}

TEST_F(SocketPump, WakesTheProtocolAtOnceForAnInstantLongPast) {
  talk.wake_at = TimePoint::min();
  start();
  run_until([&] { return talk.woken > 0; });
  EXPECT_EQ(talk.woken, 1);
}

TEST_F(SocketPump, TellsThatThePeerClosed) {
  start();
  write("bye");
  ends.b.reset();
  run_until([&] { return ended > 0; });
  EXPECT_EQ(talk.received, "bye");
  EXPECT_EQ(talk.ends, 1);
  EXPECT_FALSE(talk.end_error);
}

TEST_F(SocketPump, TellsAnEndOnlyOnce) {
  talk.finish_when_ended = false;
  start();
  ends.b.reset();
  run_until([&] { return talk.ends > 0; });
  // The write fails too now.
  talk.to_send = "x";
  talk.waker->wake();
  loop.run();
  EXPECT_EQ(talk.ends, 1);
  EXPECT_EQ(ended, 0);
}

TEST_F(SocketPump, TellsThatWritingFailedWhenNothingIsRead) {
  talk.room = 0;
  talk.to_send = "x";
  ends.b.reset();
  start();
  run_until([&] { return ended > 0; });
  EXPECT_TRUE(talk.end_error);
}

TEST_F(SocketPump, NoticesAPeerThatVanishesWhileOutputIsPending) {
  talk.room = 0;
  talk.to_send = long_text(8 << 20);
  start();
  run_until([&] { return talk.to_send.size() < (8U << 20); });
  ends.b.reset();
  run_until([&] { return ended > 0; });
  EXPECT_TRUE(talk.end_error);
}

TEST_F(SocketPump, WritesTheLastBytesBeforeItCloses) {
  talk.to_send = "last words";
  talk.finished = true;
  start();
  run_until([&] { return ended > 0; });
  EXPECT_EQ(read_all(ends.b.get(), 100), "last words");
}

TEST_F(SocketPump, WritesManyLastBytesToAPeerThatReads) {
  talk.to_send = long_text(4 << 20);
  talk.finished = true;
  start();
  std::string got;
  std::thread reader([&] { got = read_all(ends.b.get(), 5 << 20); });
  run_until([&] { return ended > 0; });
  reader.join();
  EXPECT_EQ(got, long_text(4 << 20));
}

TEST_F(SocketPump, DoesNotWaitForeverForAPeerThatDoesNotRead) {
  talk.to_send = long_text(8 << 20);
  start();
  run_until([&] { return talk.to_send.size() < (8U << 20); });
  pump->close();
  run_until([&] { return ended > 0; });
  EXPECT_EQ(ended, 1);
  EXPECT_TRUE(talk.close_called);
}

TEST_F(SocketPump, EndsWhenClosedWhileAReadIsUnderWay) {
  start();
  write("a");
  run_until([&] { return talk.received == "a"; });
  pump->close();
  run_until([&] { return ended > 0; });
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(read_all(ends.b.get(), 1), "");
}

TEST_F(SocketPump, EndsOnlyOnceWhenClosedTwice) {
  start();
  pump->close();
  pump->close();
  loop.run();
  EXPECT_EQ(ended, 1);
}

TEST_F(SocketPump, DropsProtocolAndConnectionWhenDestroyed) {
  start();
  write("a");
  run_until([&] { return talk.received == "a"; });
  pump.reset();
  EXPECT_EQ(talk.destroyed, 1);
  EXPECT_EQ(talk.waker, nullptr);
  EXPECT_EQ(read_all(ends.b.get(), 1), "");
  loop.run();
  EXPECT_EQ(ended, 0);
}

TEST_F(SocketPump, ReadsNothingMoreOnceDestroyedWithAReadUnderWay) {
  start();
  loop.post([] {});
  run_until([&] { return talk.waker != nullptr; });
  bool later = false;
  loop.post([&] { later = true; });
  run_until([&] { return later; });
  write("into nothing");  // Readable now, but not read yet.
  pump.reset();
  loop.run();
  EXPECT_EQ(talk.received, "");
}

TEST_F(SocketPump, MayBeDestroyedBeforeItRan) {
  start();
  pump.reset();
  loop.run();
  EXPECT_EQ(ended, 0);
  EXPECT_EQ(talk.destroyed, 1);
}

TEST_F(SocketPump, MayBeDestroyedWhenItTellsItsEnd) {
  pump.emplace(loop, std::move(ends.a), std::make_unique<TalkProtocol>(talk), [this](Protocol&) {
    ++ended;
    pump.reset();
  });
  ends.b.reset();
  loop.run();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(talk.destroyed, 1);
}

TEST_F(SocketPump, OutlivesNothingWhenTheLoopGoesWithHandlersQueued) {
  auto own = std::make_unique<Loop>();
  pump.emplace(*own, std::move(ends.a), std::make_unique<TalkProtocol>(talk), [](Protocol&) {});
  own->post([] {});
  own->run_until([&] { return talk.waker != nullptr; });
  pump.reset();
  own.reset();
  EXPECT_EQ(talk.destroyed, 1);
}

// ---- Pipes
// ------------------------------------------------------------------------------------------------

struct PipePump : ::testing::Test {
  void start() {
    pump.emplace(loop, std::move(to_us.a), std::move(from_us.b),
                 std::make_unique<TalkProtocol>(talk), [this](Protocol&) { ++ended; });
  }
  Talk talk;
  Loop loop;
  FdPair to_us = make_pipe();
  FdPair from_us = make_pipe();
  int ended = 0;
  std::optional<Pump> pump;
};

TEST_F(PipePump, EchoesBetweenTwoPipes) {
  talk.echo = true;
  start();
  ASSERT_EQ(::write(to_us.b.get(), "abc", 3), 3);
  loop.run_until([&] { return talk.received == "abc" && talk.to_send.empty(); });
  EXPECT_EQ(read_all(from_us.a.get(), 3), "abc");
}

TEST_F(PipePump, WritesMoreThanThePipeHolds) {
  talk.to_send = long_text(1 << 20);
  start();
  std::string got;
  std::thread reader([&] { got = read_all(from_us.a.get(), 1 << 20); });
  loop.run_until([&] { return talk.to_send.empty(); });
  reader.join();
  EXPECT_EQ(got, long_text(1 << 20));
}

TEST_F(PipePump, EndsWhenItsInputEnds) {
  start();
  to_us.b.reset();
  loop.run_until([&] { return ended > 0; });
  EXPECT_FALSE(talk.end_error);
}

TEST_F(PipePump, SurvivesAReaderThatVanishes) {
  talk.to_send = "to nobody";
  from_us.a.reset();
  start();
  loop.run_until([&] { return ended > 0; });
  ASSERT_TRUE(talk.end_error);
  EXPECT_THAT(talk.end_error->what, HasSubstr("broke"));
}

TEST_F(PipePump, ClosesBothPipesAtItsEnd) {
  talk.finished = true;
  start();
  loop.run_until([&] { return ended > 0; });
  EXPECT_EQ(read_all(from_us.a.get(), 1), "");
  EXPECT_LT(::write(to_us.b.get(), "x", 1), 0);
}

// ---- TCP
// --------------------------------------------------------------------------------------------------

/// Two ends of a connection over loopback; `b` is a plain descriptor.
struct TcpPump : ::testing::Test {
  TcpPump() {
    std::optional<UniqueFd> accepted;
    std::optional<UniqueFd> connected;
    auto listener = Listener::open(loop, {.host = "127.0.0.1", .port = 0},
                                   [&](Accepted accept) { accepted = std::move(accept.socket); });
    if (!listener) std::abort();
    connect(loop, listener->address(), 30s,
            [&](Result<UniqueFd> result) { connected = std::move(*result); });
    loop.run_until([&] { return accepted && connected; });
    b = std::move(*connected);
    pump.emplace(loop, std::move(*accepted), std::make_unique<TalkProtocol>(talk),
                 [this](Protocol&) { ++ended; });
  }
  /// Makes the close of `b` a reset.
  void reset_b() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(b.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    b.reset();
  }
  Talk talk;
  Loop loop;
  UniqueFd b;
  int ended = 0;
  std::optional<Pump> pump;
};

TEST_F(TcpPump, EndsByFinWhenIdle) {
  b.reset();
  loop.run_until([&] { return ended > 0; });
  EXPECT_FALSE(talk.end_error);
}

TEST_F(TcpPump, EndsByResetWhenIdle) {
  bool later = false;
  loop.post([&] { loop.post([&] { later = true; }); });
  loop.run_until([&] { return later; });
  reset_b();
  loop.run_until([&] { return ended > 0; });
  EXPECT_TRUE(talk.end_error);
}

TEST_F(TcpPump, EndsByResetWhileOutputIsPending) {
  talk.room = 0;
  talk.to_send = long_text(32 << 20);
  loop.run_until([&] { return talk.to_send.size() < (32U << 20); });
  reset_b();
  loop.run_until([&] { return ended > 0; });
  EXPECT_TRUE(talk.end_error);
}

TEST_F(TcpPump, EndsByFinInTheMiddleOfAMessage) {
  ASSERT_EQ(::write(b.get(), "half", 4), 4);
  b.reset();
  loop.run_until([&] { return ended > 0; });
  EXPECT_EQ(talk.received, "half");
  EXPECT_FALSE(talk.end_error);
}

}  // namespace
}  // namespace periprox::link
