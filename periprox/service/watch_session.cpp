#include "periprox/service/watch_session.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "periprox/service/stage_options.hpp"

namespace periprox::service {
namespace {

/// How long a connection may say nothing, and how long a capture may take to end.
constexpr auto kPatience = std::chrono::seconds(2);

std::string_view next_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::optional<std::uint32_t> snap_length_in(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return std::min(value, StageOptions::kDefaultSnapLength);
}

}  // namespace

WatchSession::WatchSession(WatchedServer& server, TimePoint now)
    : server_(server), deadline_(now + kPatience) {}

std::span<const MutableBytes> WatchSession::receive_into() {
  switch (state_) {
    case State::Asked:
      place_ = MutableBytes(room_).subspan(filled_);
      break;
    case State::Feeding:
      place_ = room_;  // Only the end matters now.
      break;
    case State::Stopping:
    case State::Ended:
      return {};
  }
  return {&place_, 1};
}

void WatchSession::received(std::size_t count) {
  if (state_ != State::Asked) return;
  filled_ += count;
  const std::string_view text(reinterpret_cast<const char*>(room_.data()), filled_);
  const auto end = text.find('\n');
  if (end != std::string_view::npos) {
    take_request(text.substr(0, end));
  } else if (filled_ == room_.size()) {
    answer("error this is no request\n");
  }
}

void WatchSession::take_request(std::string_view line) {
  const auto verb = next_word(line);
  if (verb == "list") return answer(server_.describe());
  const auto busid = next_word(line);
  const auto snap_length = snap_length_in(next_word(line));
  if (verb != "watch" || busid.empty() || !snap_length || !line.empty())
    return answer("error this is no request\n");
  auto feed = server_.start(busid, *snap_length);
  if (!feed) return answer("error " + feed.error().text() + '\n');
  feed_ = std::move(*feed);
  state_ = State::Feeding;
}

void WatchSession::answer(std::string text) {
  answer_ = std::move(text);
  state_ = State::Ended;
}

void WatchSession::stop_feed() {
  if (state_ != State::Feeding) return;
  state_ = State::Stopping;
  deadline_ = kStampLater;
  feed_->stop();
}

void WatchSession::device_gone() {
  stop_feed();
  if (waker_ != nullptr) waker_->wake();
}

void WatchSession::feed_ended() {
  state_ = State::Ended;
  if (waker_ != nullptr) waker_->wake();
}

void WatchSession::receive_ended(std::optional<Error> /*error*/) {
  // A watcher that leaves is nobody's failure.
  if (state_ == State::Asked) state_ = State::Ended;
  stop_feed();
}

void WatchSession::close() { receive_ended({}); }

std::size_t WatchSession::gather(std::span<Bytes> segments) {
  const auto left = bytes_of_text(answer_).subspan(written_);
  if (left.empty() || segments.empty()) return 0;
  segments[0] = left;
  return 1;
}

std::optional<TimePoint> WatchSession::wake_at() const {
  if (state_ == State::Asked || state_ == State::Stopping) return deadline_;
  return std::nullopt;
}

void WatchSession::woken(TimePoint now) {
  if (state_ == State::Stopping && deadline_ == kStampLater) deadline_ = now + kPatience;
  if (now < deadline_) return;
  if (state_ == State::Asked) state_ = State::Ended;
  if (state_ == State::Stopping) {
    feed_->give_up();
    deadline_ = TimePoint::max();
  }
}

}  // namespace periprox::service
