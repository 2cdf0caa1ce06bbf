#include "periprox/link/socket.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "periprox/link/endpoint.hpp"
#include "periprox/link/resolve.hpp"
#include "periprox/link/testing.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::link {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

const Address kAnyPort{.host = "127.0.0.1", .port = 0};

/// A loop, a folder for socket files, and what was accepted.
struct Sockets : ::testing::Test {
  Sockets() {
    char pattern[] = "/tmp/periprox-link-XXXXXX";
    folder = ::mkdtemp(pattern);
  }
  ~Sockets() override { std::filesystem::remove_all(folder); }
  [[nodiscard]] Address unix_address() const {
    return {.kind = Address::Kind::Unix, .path = folder / "s"};
  }
  Result<Listener> listen(const Address& address) {
    return Listener::open(loop, address,
                          [this](Accepted accept) { accepted.push_back(std::move(accept)); });
  }
  Result<UniqueFd> connect_to(const Address& address, Duration timeout = 30s) {
    std::optional<Result<UniqueFd>> answer;
    connect(loop, address, timeout, [&](Result<UniqueFd> result) {
      ++answers;
      answer = std::move(result);
    });
    EXPECT_FALSE(answer);  // Never from within connect().
    loop.run_until([&] { return answer.has_value(); });
    return std::move(*answer);
  }
  void talk_over(int a, int b) {
    ASSERT_EQ(::write(a, "ping", 4), 4);
    // Accepted sockets do not block.
    std::string got;
    while (got.size() < 4) got += read_all(b, 4 - got.size());
    EXPECT_EQ(got, "ping");
  }

  Loop loop;
  std::filesystem::path folder;
  std::vector<Accepted> accepted;
  int answers = 0;
};

TEST_F(Sockets, ConnectOverTcp) {
  auto listener = listen(kAnyPort);
  ASSERT_TRUE(listener);
  EXPECT_NE(listener->address().port, 0);
  const auto socket = connect_to(listener->address());
  ASSERT_TRUE(socket);
  loop.run_until([&] { return !accepted.empty(); });
  EXPECT_THAT(accepted[0].peer, StartsWith("127.0.0.1:"));
  talk_over(socket->get(), accepted[0].socket.get());
}

TEST_F(Sockets, ConnectOverIpv6) {
  auto listener = listen({.host = "::1", .port = 0});
  if (!listener) GTEST_SKIP() << "this machine has no IPv6: " << listener.error().text();
  const auto socket = connect_to(listener->address());
  ASSERT_TRUE(socket);
  loop.run_until([&] { return !accepted.empty(); });
  EXPECT_THAT(accepted[0].peer, StartsWith("[::1]:"));
}

TEST_F(Sockets, ConnectOverUnix) {
  auto listener = listen(unix_address());
  ASSERT_TRUE(listener);
  const auto socket = connect_to(unix_address());
  ASSERT_TRUE(socket);
  loop.run_until([&] { return !accepted.empty(); });
  EXPECT_THAT(accepted[0].peer, HasSubstr("pid " + std::to_string(::getpid())));
  talk_over(socket->get(), accepted[0].socket.get());
}

TEST_F(Sockets, AcceptManyAtOnce) {
  auto listener = listen(kAnyPort);
  std::vector<UniqueFd> sockets;
  for (int i = 0; i < 50; ++i) sockets.push_back(std::move(*connect_to(listener->address())));
  loop.run_until([&] { return accepted.size() == 50; });
  EXPECT_EQ(accepted.size(), 50U);
}

TEST_F(Sockets, HaveNoDelayAndKeepalive) {
  auto listener = listen(kAnyPort);
  const auto socket = connect_to(listener->address());
  loop.run_until([&] { return !accepted.empty(); });
  for (const int fd : {socket->get(), accepted[0].socket.get()}) {
    int value = 0;
    socklen_t size = sizeof(value);
    ASSERT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    EXPECT_NE(value, 0);
    ASSERT_EQ(::getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
    EXPECT_NE(value, 0);
  }
}

// ---- Listening
// ----------------------------------------------------------------------------------------------

TEST_F(Sockets, TellThatThePortIsTaken) {
  auto first = listen(kAnyPort);
  const auto second = listen(first->address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, Error::Kind::Busy);
  EXPECT_THAT(second.error().text(), HasSubstr("cannot listen on tcp://127.0.0.1:"));
}

TEST_F(Sockets, TellThatTheAddressIsNotOurs) {
  const auto listener = listen({.host = "192.0.2.1", .port = 0});
  ASSERT_FALSE(listener);
  EXPECT_THAT(listener.error().hint, HasSubstr("ip addr"));
}

TEST_F(Sockets, ReplaceAStaleUnixSocket) {
  {
    UniqueFd stale(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_storage raw{};
    raw.ss_family = AF_UNIX;
    const auto path = unix_address().path;
    std::memcpy(reinterpret_cast<char*>(&raw) + sizeof(sa_family_t), path.c_str(), path.size() + 1);
    ASSERT_EQ(::bind(stale.get(), reinterpret_cast<sockaddr*>(&raw),
                     static_cast<socklen_t>(sizeof(sa_family_t) + path.size() + 1)),
              0);
  }
  ASSERT_TRUE(std::filesystem::exists(unix_address().path));
  const auto listener = listen(unix_address());
  ASSERT_TRUE(listener);
  EXPECT_TRUE(connect_to(unix_address()));
}

TEST_F(Sockets, LeaveALiveUnixSocketAlone) {
  const auto first = listen(unix_address());
  const auto second = listen(unix_address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, Error::Kind::Busy);
  EXPECT_TRUE(connect_to(unix_address()));
}

TEST_F(Sockets, LeaveAFileThatIsNoSocketAlone) {
  std::ofstream(unix_address().path) << "precious";
  const auto listener = listen(unix_address());
  EXPECT_FALSE(listener);
  std::string text;
  std::ifstream(unix_address().path) >> text;
  EXPECT_EQ(text, "precious");
}

TEST_F(Sockets, TellThatTheFolderIsMissing) {
  const auto listener = listen({.kind = Address::Kind::Unix, .path = folder / "no" / "s"});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().kind, Error::Kind::NotFound);
}

TEST_F(Sockets, RemoveTheUnixFileAtTheEnd) {
  {
    const auto listener = listen(unix_address());
    EXPECT_TRUE(std::filesystem::is_socket(unix_address().path));
  }
  EXPECT_FALSE(std::filesystem::exists(unix_address().path));
  loop.run();
}

TEST_F(Sockets, AcceptNothingAfterTheListenerIsGone) {
  auto address = kAnyPort;
  {
    const auto listener = listen(kAnyPort);
    address = listener->address();
  }
  EXPECT_FALSE(connect_to(address));
}

TEST_F(Sockets, StopAcceptingWhenDestroyedByTheFirst) {
  std::optional<Listener> listener;
  int count = 0;
  listener.emplace(std::move(*Listener::open(loop, kAnyPort, [&](Accepted) {
    ++count;
    listener.reset();
  })));
  const auto address = listener->address();
  EXPECT_TRUE(connect_to(address));
  loop.run();
  EXPECT_EQ(count, 1);
}

// ---- Connecting
// ---------------------------------------------------------------------------------------------

TEST_F(Sockets, TellThatNobodyListensOnThePort) {
  std::uint16_t port = 0;
  { port = listen(kAnyPort)->address().port; }
  const auto socket = connect_to({.host = "127.0.0.1", .port = port});
  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().text(), HasSubstr("is the server running"));
  EXPECT_THAT(socket.error().what, HasSubstr("cannot connect to tcp://127.0.0.1:"));
}

TEST_F(Sockets, TellThatThereIsNoSuchSocketFile) {
  const auto socket = connect_to(unix_address());
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().kind, Error::Kind::NotFound);
}

TEST_F(Sockets, GiveUpConnectingInTime) {
  // A listener whose queue is full does not answer a further SYN.
  UniqueFd full(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in raw{
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof(raw);
  ASSERT_EQ(::bind(full.get(), reinterpret_cast<sockaddr*>(&raw), size), 0);
  ASSERT_EQ(::listen(full.get(), 0), 0);
  ASSERT_EQ(::getsockname(full.get(), reinterpret_cast<sockaddr*>(&raw), &size), 0);
  const Address address{.host = "127.0.0.1", .port = ntohs(raw.sin_port)};
  std::vector<UniqueFd> queue;
  std::optional<Error> error;
  while (queue.size() < 16) {
    auto socket = connect_to(address, 200ms);
    if (!socket) {
      error = socket.error();
      break;
    }
    queue.push_back(std::move(*socket));
  }
  ASSERT_TRUE(error);
  EXPECT_THAT(error->hint, HasSubstr("does not answer"));
  const auto before = answers;
  loop.run();
  EXPECT_EQ(answers, before);
}

TEST_F(Sockets, ConnectToAUnixSocketAsSoonAsItsQueueHasRoom) {
  const auto endpoint = unix_endpoint(unix_address());
  const auto busy = open_socket(AF_UNIX);
  ASSERT_EQ(::bind(busy.get(), endpoint.raw(), endpoint.size), 0);
  ASSERT_EQ(::listen(busy.get(), 0), 0);
  std::vector<UniqueFd> waiting;
  do {
    waiting.push_back(open_socket(AF_UNIX));
  } while (::connect(waiting.back().get(), endpoint.raw(), endpoint.size) == 0);
  ASSERT_EQ(errno, EAGAIN);
  loop.call_at(loop.now() + 1ms, [&] {
    const UniqueFd first(::accept(busy.get(), nullptr, nullptr));
    EXPECT_TRUE(first);
  });
  EXPECT_TRUE(connect_to(unix_address()));
}

TEST_F(Sockets, NeverCallBackForANameNobodyWaitsForAnyMore) {
  bool called = false;
  {
    const Resolving resolving(loop, "localhost", 1, [&](const auto&) { called = true; });
  }
  loop.run();
  EXPECT_FALSE(called);
}

TEST_F(Sockets, TellThatAHostIsUnknown) {
  const auto socket = connect_to({.host = "no..host", .port = 1});
  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().text(), HasSubstr("check the host name"));
}

TEST_F(Sockets, ConnectTwiceToOneListener) {
  auto listener = listen(unix_address());
  const auto first = connect_to(unix_address());
  const auto second = connect_to(unix_address());
  EXPECT_TRUE(first && second);
}

}  // namespace
}  // namespace periprox::link
