#include "periprox/emulated/command_feed.hpp"

#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "periprox/emulated/settings.hpp"

namespace periprox::emulated {
namespace {

constexpr std::size_t kReadAtOnce = 4096;
constexpr std::int64_t kLongestWaitUs = 86'400'000'000;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (text = trimmed(text); !text.empty() && words.size() < CommandFeed::kMaxWords;
       text = trimmed(text)) {
    std::size_t length = 0;
    while (length < text.size() && !is_blank(text[length])) ++length;
    words.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return words;
}

}  // namespace

CommandFeed::CommandFeed(std::unique_ptr<ByteStream> stream, Timers& timers, Options options)
    : stream_(std::move(stream)), timers_(timers), options_(std::move(options)) {}

CommandFeed::~CommandFeed() { timers_.cancel(waiting_); }

void CommandFeed::go_on() {
  // A command makes room or none while it is done, which asks for this again.
  if (running_ || waiting_ != TimerId{}) return;
  const auto self = shared_from_this();
  running_ = true;
  std::string line;
  while (waiting_ == TimerId{} && options_.has_room() && take_line(line)) run_line(line);
  running_ = false;
}

/// The next whole line; false when none has arrived, and then asks to be told of more.
bool CommandFeed::take_line(std::string& line) {
  for (;;) {
    auto end = buffer_.find('\n');
    if (end == std::string::npos && buffer_.size() > kMaxLineLength) {
      skipping_ = true;
      buffer_.clear();
    }
    const bool is_last = end == std::string::npos && !buffer_.empty() && stream_->read_ended();
    if (is_last) end = buffer_.size();
    if (end != std::string::npos) {
      line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      ++line_number_;
      if (!std::exchange(skipping_, false)) return true;
      complain("it is longer than " + std::to_string(kMaxLineLength) + " bytes");
      continue;
    }
    std::array<std::byte, kReadAtOnce> chunk{};
    const auto count = stream_->read(chunk);
    buffer_.append(reinterpret_cast<const char*>(chunk.data()), count);
    if (count > 0 || (stream_->read_ended() && !buffer_.empty())) continue;
    if (!stream_->read_ended()) {
      stream_->when_readable([weak = weak_from_this()] {
        if (const auto feed = weak.lock()) feed->go_on();
      });
    }
    return false;
  }
}

void CommandFeed::run_line(const std::string& line) {
  const auto text = trimmed(line);
  if (text.empty() || text.front() == '#') return;
  const auto words = words_of(text);
  const Command command{words, trimmed(text.substr(words.front().size()))};
  if (auto done = run_command(command); !done) complain(done.error().why);
}

Result<void> CommandFeed::run_command(const Command& command) {
  if (command.words.front() != "wait") return options_.run(command);
  if (command.words.size() != 2) return bad_command("'wait' takes a time, such as 250ms");
  const auto time = parse_time(command.words[1]);
  if (!time) return tl::make_unexpected(time.error());
  waiting_ = timers_.call_at(timers_.now() + *time, [weak = weak_from_this()] {
    const auto feed = weak.lock();
    if (feed == nullptr) return;
    feed->waiting_ = {};
    feed->go_on();
  });
  return {};
}

void CommandFeed::complain(const std::string& why) {
  if (!options_.complain) return;
  options_.complain("line " + std::to_string(line_number_) + " is skipped: " + why);
}

Result<Duration> parse_time(std::string_view text) {
  const auto whole = text;
  std::int64_t unit_us = 1000;
  if (text.ends_with("us")) {
    unit_us = 1;
    text.remove_suffix(2);
  } else if (text.ends_with("ms")) {
    text.remove_suffix(2);
  } else if (text.ends_with("s")) {
    unit_us = 1'000'000;
    text.remove_suffix(1);
  }
  const auto millionths = parse_millionths(text);
  constexpr std::int64_t kMillion = 1'000'000;
  const bool sound =
      millionths && *millionths >= 0 && *millionths / kMillion <= kLongestWaitUs / unit_us;
  if (!sound) {
    return bad_command("'" + std::string(whole) +
                       "' is not a time of at most a day, such as 250ms");
  }
  // A millionth of a second is 1000 ns, one of a microsecond nothing that a clock knows.
  return unit_us >= 1000 ? Duration(*millionths * (unit_us / 1000)) : Duration(*millionths / 1000);
}

Result<std::int64_t> parse_whole(std::string_view text, std::int64_t least, std::int64_t most,
                                 std::string_view what) {
  std::int64_t value = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure == std::errc{} && stop == text.data() + text.size() && value >= least &&
      value <= most) {
    return value;
  }
  return bad_command("'" + std::string(text) + "' is not " + std::string(what) + " from " +
                     std::to_string(least) + " to " + std::to_string(most));
}

tl::unexpected<Error> bad_command(std::string why) {
  return fail(Error::Kind::Usage, "cannot do this command", std::move(why));
}

}  // namespace periprox::emulated
