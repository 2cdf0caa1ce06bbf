#include "periprox/service/session_end.hpp"

#include <utility>

#include "periprox/loop/loop.hpp"

namespace periprox::service {

Event session_ended(const std::string& peer, const std::optional<Error>& failure,
                    const session::Lease* lease, std::string_view otherwise) {
  Event event{.kind = Event::Kind::Ended, .peer = peer};
  std::string reason(otherwise);
  if (failure) {
    event.level = Event::Level::Warning;
    reason = failure->what;
    if (!failure->why.empty()) reason += ": " + failure->why;
  } else if (lease == nullptr) {
    event.level = Event::Level::Detail;
  }
  if (lease != nullptr) {
    event.busid = lease->address().busid;
    event.text = peer + " no longer uses " + event.busid + ": " + reason;
  } else {
    event.text = peer + " disconnected: " + reason;
  }
  return event;
}

Farewell::~Farewell() {
  if (timer_) loop_.cancel(*timer_);
}

void Farewell::begin(Duration patience, std::function<void()> drop, std::function<void()> done) {
  begun_ = true;
  done_ = std::move(done);
  timer_ = loop_.call_at(loop_.now() + patience, [this, drop = std::move(drop)] {
    timer_.reset();
    drop();
    over();
  });
}

void Farewell::over() {
  if (timer_) loop_.cancel(*std::exchange(timer_, {}));
  if (const auto call = std::exchange(done_, {})) call();
}

}  // namespace periprox::service
