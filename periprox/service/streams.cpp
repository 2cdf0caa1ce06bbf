#include "periprox/service/streams.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "periprox/link/socket.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/service/descriptor_stream.hpp"
#include "periprox/service/packet_streams.hpp"

extern char** environ;

namespace periprox::service {
namespace {

using Opened = Result<std::unique_ptr<ByteStream>>;

constexpr auto kRetryAfter = std::chrono::seconds(1);
constexpr auto kConnectTimeout = std::chrono::seconds(5);

/// Reads `words` as PREFIX and a rest: "pty:/x" with "pty" gives "/x", "pty" an empty one.
std::optional<std::string_view> after(std::string_view words, std::string_view prefix) {
  if (words == prefix) return std::string_view{};
  if (!words.starts_with(prefix) || words[prefix.size()] != ':') return std::nullopt;
  return words.substr(prefix.size() + 1);
}

std::string cannot_open(std::string_view words) {
  return "cannot open the stream '" + std::string(words) + "'";
}

// --- Pseudoterminals -----------------------------------------------------------------------------

/// What belongs to a pseudoterminal beside its master: the other end, held open so that the master
/// works while nobody uses it, and a link to it.
struct PtyRest {
  PtyRest(UniqueFd the_slave, std::string the_link)
      : slave(std::move(the_slave)), link(std::move(the_link)) {}
  PtyRest(const PtyRest&) = delete;
  PtyRest& operator=(const PtyRest&) = delete;
  ~PtyRest() {
    if (!link.empty()) (void)::unlink(link.c_str());
  }

  UniqueFd slave;
  std::string link;
};

/// Makes `link` lead to `target`, in place of an older link only.
Result<void> make_link(const std::string& target, const std::string& link) {
  struct stat status {};
  if (::lstat(link.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) (void)::unlink(link.c_str());
  if (::symlink(target.c_str(), link.c_str()) == 0) return {};
  return tl::make_unexpected(errno_error(errno, "cannot make the link " + link));
}

Opened open_pty(Loop& loop, std::string_view words, const std::string& link,
                const StreamNote& note) {
  UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  std::array<char, 128> name{};
  const bool made = master && ::grantpt(master.get()) == 0 && ::unlockpt(master.get()) == 0 &&
                    ::ptsname_r(master.get(), name.data(), name.size()) == 0;
  if (!made) return tl::make_unexpected(errno_error(errno, cannot_open(words)));
  UniqueFd slave(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  termios settings{};
  if (!slave || ::tcgetattr(slave.get(), &settings) != 0) {
    return tl::make_unexpected(errno_error(errno, cannot_open(words)));
  }
  // A line of bytes, as a serial cable is: no echo, no signals, nothing replaced.
  ::cfmakeraw(&settings);
  (void)::tcsetattr(slave.get(), TCSANOW, &settings);
  if (!link.empty()) {
    if (auto linked = make_link(name.data(), link); !linked) return forward_error(linked);
  }
  if (note) note("the other end is " + (link.empty() ? std::string(name.data()) : link));
  auto stream = std::make_unique<DescriptorStream>(loop);
  stream->connect(std::move(master));
  stream->keep(std::make_shared<PtyRest>(std::move(slave), link));
  return stream;
}

// --- Connections ---------------------------------------------------------------------------------

/// Connects `stream` for as long as it lives, again whenever the connection is lost.
class Connector : public std::enable_shared_from_this<Connector> {
 public:
  Connector(Loop& loop, link::Address address, DescriptorStream& stream)
      : loop_(loop), address_(std::move(address)), stream_(stream) {}
  ~Connector() { loop_.cancel(retry_); }
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  void connect() {
    link::connect(loop_, address_, kConnectTimeout,
                  [weak = weak_from_this()](Result<UniqueFd> socket) {
                    const auto self = weak.lock();
                    if (self == nullptr) return;
                    if (socket) return self->stream_.connect(std::move(*socket));
                    self->connect_later();
                  });
  }
  void connect_later() {
    retry_ = loop_.call_at(loop_.now() + kRetryAfter, [this] { connect(); });
  }

 private:
  Loop& loop_;
  link::Address address_;
  DescriptorStream& stream_;  // Owns this.
  TimerId retry_{};
};

Opened open_connection(Loop& loop, std::string_view words) {
  auto address = link::parse_address(words, 0);
  if (!address) return forward_error(address);
  auto stream = std::make_unique<DescriptorStream>(loop);
  auto connector = std::make_shared<Connector>(loop, std::move(*address), *stream);
  stream->on_lost([connector = connector.get()] { connector->connect_later(); });
  connector->connect();
  stream->keep(std::move(connector));
  return stream;
}

Opened open_listener(Loop& loop, std::string_view words, const StreamNote& note) {
  auto address = link::parse_address(words, 0);
  if (!address) return forward_error(address);
  auto stream = std::make_unique<DescriptorStream>(loop);
  auto listener =
      link::Listener::open(loop, *address, [&stream = *stream](link::Accepted accepted) {
        // One at a time, as on a cable; who comes while it is in use is hung up on.
        if (!stream.is_connected()) stream.connect(std::move(accepted.socket));
      });
  if (!listener) return forward_error(listener);
  if (note) note("the other end is " + listener->address().text());
  stream->on_lost([] {});
  stream->keep(std::make_shared<link::Listener>(std::move(*listener)));
  return stream;
}

// --- Commands ------------------------------------------------------------------------------------

/// A child that is asked to end when the stream does.
struct Child {
  explicit Child(pid_t the_pid) : pid(the_pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    (void)::kill(pid, SIGTERM);
    // One that takes its time is left to init when this process ends.
    (void)::waitpid(pid, nullptr, WNOHANG);
  }
  pid_t pid;
};

Opened open_command(Loop& loop, std::string_view words, const std::string& command) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return tl::make_unexpected(errno_error(errno, cannot_open(words)));
  }
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
  std::string shell = "sh";
  std::string option = "-c";
  std::string text = command;
  std::array<char*, 4> arguments{shell.data(), option.data(), text.data(), nullptr};
  pid_t pid = 0;
  const int failure = ::posix_spawn(&pid, "/bin/sh", &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return tl::make_unexpected(errno_error(failure, cannot_open(words)));
  auto stream = std::make_unique<DescriptorStream>(loop);
  stream->connect(std::move(ours));
  stream->keep(std::make_shared<Child>(pid));
  return stream;
}

// --- Files ---------------------------------------------------------------------------------------

Opened open_path(Loop& loop, const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return tl::make_unexpected(errno_error(
        errno, cannot_open(path),
        "a stream is -, pty, tcp://HOST:PORT, unix:///PATH, listen:..., exec:COMMAND, tap:NAME, "
        "dgram:PATH,PEER or a file"));
  }
  // A FIFO opened for writing, too, does not end when one of those who write to it does.
  const bool both = S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode);
  const int flags = (both ? O_RDWR : O_RDONLY) | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
  UniqueFd fd(::open(path.c_str(), flags));
  if (!fd) return tl::make_unexpected(errno_error(errno, cannot_open(path)));
  auto stream = std::make_unique<DescriptorStream>(loop);
  stream->connect(std::move(fd));
  return stream;
}

}  // namespace

Result<std::unique_ptr<ByteStream>> open_stream(Loop& loop, std::string_view words,
                                                const StreamNote& note) {
  if (words == "-") {
    auto stream = std::make_unique<DescriptorStream>(loop);
    stream->connect_lent(STDIN_FILENO, STDOUT_FILENO);
    return stream;
  }
  if (const auto link = after(words, "pty")) return open_pty(loop, words, std::string(*link), note);
  if (const auto command = after(words, "exec")) {
    return open_command(loop, words, std::string(*command));
  }
  if (const auto address = after(words, "listen")) return open_listener(loop, *address, note);
  if (const auto name = after(words, "tap")) return open_tap(loop, words, *name);
  if (const auto paths = after(words, "dgram")) return open_datagrams(loop, words, *paths);
  if (words.starts_with("tcp:") || words.starts_with("unix:")) return open_connection(loop, words);
  return open_path(loop, std::string(words));
}

}  // namespace periprox::service
