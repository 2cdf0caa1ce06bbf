// Descriptors in epoll. What is wanted and what is registered may differ: less is wanted again and
// again, for a moment, so a registration is cut down only when something comes that nobody wants.
#include <cerrno>
#include <system_error>
#include <utility>

#include "periprox/loop/loop_impl.hpp"

namespace periprox {
namespace {

constexpr std::uint32_t kHangup = EPOLLHUP | EPOLLERR;

std::uint32_t events_of(Ready ready) {
  return (ready.read ? std::uint32_t{EPOLLIN} : 0) | (ready.write ? std::uint32_t{EPOLLOUT} : 0);
}

void throw_if(int error) {
  if (error != 0) throw std::system_error(error, std::generic_category(), "epoll_ctl");
}

}  // namespace

int Loop::Impl::control(int operation, int fd, std::uint32_t events, Watch::Record* record) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = record;
  return ::epoll_ctl(epoll.get(), operation, fd, &event) == 0 ? 0 : errno;
}

void Loop::Impl::add(Watch::Record& record) const {
  record.registered = events_of(record.wanted);
  const int error = control(EPOLL_CTL_ADD, record.fd, record.registered, &record);
  record.known = error == 0;
  record.unwatchable = error == EPERM;
  if (!record.unwatchable) throw_if(error);
}

void Loop::Impl::forget(Watch::Record& record) const {
  if (!std::exchange(record.known, false)) return;
  // Fails when the descriptor was closed before, which unregistered it.
  (void)control(EPOLL_CTL_DEL, record.fd, 0, nullptr);
}

void Loop::Impl::want(Watch::Record& record, Ready ready) {
  wanting -= record.wanted.any() ? 1 : 0;
  wanting += ready.any() ? 1 : 0;
  record.wanted = ready;
  if (!ready.any()) return;
  if (!record.known && !record.unwatchable) add(record);
  const auto events = events_of(ready);
  if (record.unwatchable) {
    queue(record);
  } else if ((events & ~record.registered) != 0) {
    register_for(record, events);
  }
}

void Loop::Impl::register_for(Watch::Record& record, std::uint32_t events) const {
  record.registered = events;
  throw_if(control(EPOLL_CTL_MOD, record.fd, events, &record));
}

void Loop::Impl::on_event(Watch::Record& record, std::uint32_t events) {
  if (record.dead) return;
  const bool hangup = (events & kHangup) != 0;
  const Ready ready{.read = record.wanted.read && (hangup || (events & EPOLLIN) != 0),
                    .write = record.wanted.write && (hangup || (events & EPOLLOUT) != 0),
                    .hangup = record.wanted.hangup && hangup};
  if (ready.any()) {
    call(record, ready);
  } else if (hangup) {
    forget(record);  // It cannot be left out of a registration.
  } else {
    register_for(record, events_of(record.wanted));
  }
}

void Loop::Impl::call(Watch::Record& record, Ready ready) {
  ++handlers;
  record.handler(ready);
  --handlers;
}

void Loop::Impl::queue(Watch::Record& record) {
  if (!std::exchange(record.queued, true)) unwatchable_later.push_back(&record);
}

bool Loop::Impl::serve_unwatchable() {
  if (unwatchable.empty()) return false;
  Watch::Record& record = *unwatchable.back();
  unwatchable.pop_back();
  record.queued = false;
  if (record.dead || !record.wanted.any()) return true;
  call(record, {.read = record.wanted.read, .write = record.wanted.write, .hangup = false});
  if (!record.dead && record.wanted.any()) queue(record);
  return true;
}

void Loop::Impl::bury_dead() {
  // A handler that runs this turn from within may be one of them.
  if (handlers > 0 || dead.empty()) return;
  std::erase_if(unwatchable_later, [](const auto* record) { return record->dead; });
  // What they own may add to them.
  const auto gone = std::exchange(dead, {});
}

Watch::Watch(Loop& loop, int fd, Handler handler)
    : loop_(loop.impl_.get()), record_(std::make_unique<Record>()) {
  record_->fd = fd;
  record_->handler = std::move(handler);
}

Watch::~Watch() {
  loop_->want(*record_, {});
  loop_->forget(*record_);
  record_->dead = true;
  loop_->dead.push_back(std::move(record_));
}

void Watch::want(Ready ready) {
  if (ready != record_->wanted) loop_->want(*record_, ready);
}
Ready Watch::wanted() const { return record_->wanted; }
int Watch::fd() const { return record_->fd; }

}  // namespace periprox
