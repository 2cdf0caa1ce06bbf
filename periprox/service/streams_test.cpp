// The streams that emulated devices are joined to, with the real system behind them.
#include "periprox/service/streams.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include "periprox/base/unique_fd.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::service {
namespace {

class StreamsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder =
        std::filesystem::temp_directory_path() / ("periprox-streams-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
  }
  void TearDown() override {
    stream.reset();
    std::filesystem::remove_all(folder);
  }
  void open(const std::string& words) {
    auto opened = open_stream(loop, words, [this](const std::string& text) { note = text; });
    ASSERT_TRUE(opened) << opened.error().text();
    stream = std::move(*opened);
  }
  /// Runs the loop until `count` bytes have come out of the stream, or it ended.
  std::string read(std::size_t count) {
    std::string text;
    bool over = false;
    take(text, count, over);
    loop.run_until([&] { return over; });
    return text;
  }
  void write(std::string_view text) { EXPECT_EQ(stream->write(bytes_of_text(text)), text.size()); }

  std::filesystem::path folder;
  Loop loop;
  std::unique_ptr<ByteStream> stream;
  std::string note;

 private:
  void take(std::string& text, std::size_t count, bool& over) {
    std::array<std::byte, 4096> room{};
    while (const auto got =
               stream->read(MutableBytes(room).first(std::min(room.size(), count - text.size())))) {
      text.append(reinterpret_cast<const char*>(room.data()), got);
    }
    over = text.size() == count || stream->read_ended();
    if (!over) stream->when_readable([this, &text, count, &over] { take(text, count, over); });
  }
};

TEST_F(StreamsTest, AFileIsReadToItsEnd) {
  { std::ofstream(folder / "file") << "all of it"; }
  open((folder / "file").string());
  EXPECT_EQ(read(100), "all of it");
  EXPECT_TRUE(stream->read_ended());
}

TEST_F(StreamsTest, AFifoOutlivesThoseWhoWriteToIt) {
  const auto path = (folder / "fifo").string();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  open(path);
  { std::ofstream(path) << "one"; }
  EXPECT_EQ(read(3), "one");
  EXPECT_FALSE(stream->read_ended());
  { std::ofstream(path) << "two"; }
  EXPECT_EQ(read(3), "two");
}

TEST_F(StreamsTest, ACommandIsTalkedToUntilItEnds) {
  open("exec:head -c 5 | tr a-z A-Z");
  write("hello");
  EXPECT_EQ(read(100), "HELLO");
  EXPECT_TRUE(stream->read_ended());
}

TEST_F(StreamsTest, APseudoterminalCarriesEveryByteBothWays) {
  const auto link = (folder / "port").string();
  open("pty:" + link);
  EXPECT_THAT(note, ::testing::HasSubstr(link));
  const UniqueFd other(::open(link.c_str(), O_RDWR | O_NOCTTY));
  ASSERT_TRUE(other);
  const std::string raw("\x03\r\n\x00\x11\x7f", 6);
  ASSERT_EQ(::write(other.get(), raw.data(), raw.size()), 6);
  EXPECT_EQ(read(6), raw);
  write(raw);
  std::array<char, 16> got{};
  ASSERT_EQ(::read(other.get(), got.data(), got.size()), 6);
  EXPECT_EQ(std::string(got.data(), 6), raw);
  stream.reset();
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(link)));
}

TEST_F(StreamsTest, AListenerHasOneConnectionAfterTheOther) {
  const auto path = "unix://" + (folder / "socket").string();
  open("listen:" + path);
  EXPECT_FALSE(stream->is_connected());
  EXPECT_EQ(stream->write(bytes_of_text("to nobody")), 9U);
  int changes = 0;
  stream->on_connection([&] { ++changes; });
  const auto address = link::parse_address(path, 0).value();
  for (const std::string_view text : {"first", "second"}) {
    UniqueFd socket;
    link::connect(loop, address, std::chrono::seconds(10),
                  [&](Result<UniqueFd> connected) { socket = std::move(connected).value(); });
    loop.run_until([&] { return socket && stream->is_connected(); });
    ASSERT_EQ(::write(socket.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(read(text.size()), text);
    socket.reset();
    bool tried = false;
    stream->when_readable([&] {
      std::array<std::byte, 1> room{};
      EXPECT_EQ(stream->read(room), 0U);
      tried = true;
    });
    loop.run_until([&] { return tried; });
    EXPECT_FALSE(stream->is_connected());
  }
  loop.run_until([&] { return changes == 4; });
}

TEST_F(StreamsTest, AConnectionIsMadeOnceSomebodyListens) {
  const auto path = "unix://" + (folder / "later").string();
  open(path);
  UniqueFd accepted;
  auto listener = link::Listener::open(
      loop, link::parse_address(path, 0).value(),
      [&](link::Accepted connection) { accepted = std::move(connection.socket); });
  ASSERT_TRUE(listener) << listener.error().text();
  loop.run_until([&] { return accepted && stream->is_connected(); });
  write("here");
  std::array<char, 16> got{};
  EXPECT_EQ(::read(accepted.get(), got.data(), got.size()), 4);
}

TEST_F(StreamsTest, SaysWhatAStreamMayBe) {
  const auto opened = open_stream(loop, "/nowhere/at/all", {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, Error::Kind::NotFound);
  EXPECT_THAT(opened.error().hint,
              ::testing::HasSubstr("exec:COMMAND, tap:NAME, dgram:PATH,PEER or a file"));
}

TEST_F(StreamsTest, DatagramsStayApartAndFindTheirPeerLater) {
  const auto own = (folder / "own").string();
  const auto peer = (folder / "peer").string();
  open("dgram:" + own + "," + peer);
  EXPECT_FALSE(stream->is_connected());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto address_of = [](const std::string& path) {
    sockaddr_un address{.sun_family = AF_UNIX};
    std::ranges::copy(path, address.sun_path);
    return address;
  };
  const auto peer_address = address_of(peer);
  const auto own_address = address_of(own);
  ASSERT_EQ(
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&peer_address), sizeof(peer_address)),
      0);
  loop.run_until([&] { return stream->is_connected(); });
  ASSERT_EQ(
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&own_address), sizeof(own_address)),
      0);
  write("first");
  write("second");
  std::array<char, 100> room{};
  EXPECT_EQ(::recv(socket.get(), room.data(), room.size(), 0), 5);
  EXPECT_EQ(::recv(socket.get(), room.data(), room.size(), 0), 6);
  ASSERT_EQ(::send(socket.get(), "one", 3, 0), 3);
  ASSERT_EQ(::send(socket.get(), "more", 4, 0), 4);
  std::array<std::byte, 100> packet{};
  EXPECT_EQ(stream->read(packet), 3U);
  EXPECT_EQ(stream->read(packet), 4U);
}

TEST_F(StreamsTest, RefusesDatagramSocketsWithoutAPeer) {
  const auto opened = open_stream(loop, "dgram:/tmp/own", {});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().text(), ::testing::HasSubstr("it is not PATH,PEER"));
}

}  // namespace
}  // namespace periprox::service
