// Commands for an emulated device, line by line out of a stream: what a person would do with the
// hardware, and when.
//
//     # comment
//     wait 1500ms
//     move 10 -5
//
// Lines are taken only as fast as the device has room, so nothing is lost and nothing piles up.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "periprox/base/byte_stream.hpp"
#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"

namespace periprox::emulated {

/// One command: its words, and everything after the first word as it stands.
struct Command {
  std::span<const std::string_view> words;
  std::string_view rest;
};

/// Reads commands and has them done. Understands `wait TIME` itself.
class CommandFeed : public std::enable_shared_from_this<CommandFeed> {
 public:
  struct Options {
    /// Does a command, or says why it makes no sense.
    std::function<Result<void>(const Command&)> run;
    /// Whether the device can take another command now.
    std::function<bool()> has_room;
    /// Told about lines that make no sense; they are skipped.
    std::function<void(const std::string&)> complain;
  };

  CommandFeed(std::unique_ptr<ByteStream> stream, Timers& timers, Options options);
  ~CommandFeed();
  CommandFeed(const CommandFeed&) = delete;
  CommandFeed& operator=(const CommandFeed&) = delete;

  /// Takes lines for as long as there are some and there is room. To be called to begin with, and
  /// whenever there is room again.
  void go_on();

  static constexpr std::size_t kMaxLineLength = 4096;
  static constexpr std::size_t kMaxWords = 64;

 private:
  [[nodiscard]] bool take_line(std::string& line);
  void run_line(const std::string& line);
  [[nodiscard]] Result<void> run_command(const Command& command);
  void complain(const std::string& why);

  std::unique_ptr<ByteStream> stream_;
  Timers& timers_;
  Options options_;
  std::string buffer_;
  std::size_t line_number_ = 0;
  TimerId waiting_{};
  bool running_ = false;
  bool skipping_ = false;  // The rest of a line that is too long.
};

/// "250", "250ms", "1.5s", "20us": a time from 0 to a day, in milliseconds without a unit.
[[nodiscard]] Result<Duration> parse_time(std::string_view text);

/// A whole decimal number from `least` to `most`; `what` names it in the error.
[[nodiscard]] Result<std::int64_t> parse_whole(std::string_view text, std::int64_t least,
                                               std::int64_t most, std::string_view what);

/// Says that a command makes no sense: Usage with this reason.
[[nodiscard]] tl::unexpected<Error> bad_command(std::string why);

}  // namespace periprox::emulated
