#include "periprox/stage/circuit_breaker.hpp"

#include <algorithm>
#include <utility>

namespace periprox::stage {
namespace {

using usb::Status;

enum class Outcome : std::uint8_t { Good, Bad, SaysNothing };

/// What an outcome says of the device and the way to it. A stall is an answer.
Outcome judge(Status status) {
  switch (status) {
    case Status::Ok:
    case Status::Stalled:
    case Status::ShortTransfer:
    case Status::IsoPartial:
      return Outcome::Good;
    case Status::ProtocolError:
    case Status::CrcError:
    case Status::NoResponse:
    case Status::Babble:
    case Status::BufferOverrun:
    case Status::BufferUnderrun:
    case Status::TimedOut:
    case Status::IoError:
      return Outcome::Bad;
    default:
      return Outcome::SaysNothing;
  }
}

std::string seconds(Duration duration) {
  const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

}  // namespace

bool CircuitBreaker::admits(TimePoint now, std::size_t place) {
  if (state_ == State::Open && now >= open_until_) {
    state_ = State::HalfOpen;
    trying_ = 0;
  }
  if (state_ == State::Closed) return true;
  if (state_ == State::Open) return false;
  const auto bit = std::uint32_t{1} << place;
  return (std::exchange(trying_, trying_ | bit) & bit) == 0;
}

bool CircuitBreaker::learn(TimePoint now, std::size_t place, Status status) {
  const auto outcome = judge(status);
  if (state_ == State::HalfOpen) {
    const auto bit = std::uint32_t{1} << place;
    if ((trying_ & bit) == 0) return false;  // From before it opened.
    trying_ &= ~bit;
    if (outcome == Outcome::SaysNothing) return false;
    if (outcome == Outcome::Bad) {
      pause_ = std::min(pause_ * 2, std::max(rule_.pause, kLongestPause));
      open(now);
      return true;
    }
    state_ = State::Closed;
    pause_ = rule_.pause;
    now_ = before_ = {};
    half_began_ = now;
    return true;
  }
  if (state_ == State::Open || outcome == Outcome::SaysNothing) return false;
  if (now - half_began_ >= rule_.window / 2) {
    before_ = now - half_began_ >= rule_.window ? Count{} : now_;
    now_ = {};
    half_began_ = now;
  }
  ++now_.all;
  if (outcome == Outcome::Good) return false;
  ++now_.failed;
  const Count sum{now_.all + before_.all, now_.failed + before_.failed};
  if (sum.all < rule_.least ||
      static_cast<double>(sum.failed) < rule_.share * static_cast<double>(sum.all)) {
    return false;
  }
  seen_ = sum;
  open(now);
  return true;
}

void CircuitBreaker::open(TimePoint now) {
  state_ = State::Open;
  open_until_ = now + pause_;
}

std::string CircuitBreaker::text() const {
  if (state_ == State::Closed) return "it works again; everything passes";
  if (pause_ == rule_.pause) {
    return std::to_string(seen_.failed) + " of its last " + std::to_string(seen_.all) +
           " transfers failed; it is left alone for " + seconds(pause_);
  }
  return "it still fails; it is left alone for " + seconds(pause_);
}

}  // namespace periprox::stage
