// Descriptors in epoll. What is wanted and what is registered may differ: less is wanted again and
// again, for a moment, so a registration is cut down only when something comes that nobody wants.
#include <cerrno>
#include <system_error>
#include <utility>

#include "periprox/loop/loop_impl.hpp"

namespace periprox {
namespace {

constexpr std::uint32_t kHangup = EPOLLHUP | EPOLLERR;

Ready common(Ready one, Ready other) {
  return {one.read && other.read, one.write && other.write, one.hangup && other.hangup};
}
Ready either(Ready one, Ready other) {
  return {one.read || other.read, one.write || other.write, one.hangup || other.hangup};
}

void throw_if(int error) {
  if (error != 0) throw std::system_error(error, std::generic_category(), "epoll_ctl");
}

}  // namespace

std::uint32_t Loop::Impl::events_of(const Watch::Record& record) {
  return (record.wanted.read ? std::uint32_t{EPOLLIN} : 0) |
         (record.wanted.write ? std::uint32_t{EPOLLOUT} : 0) |
         (record.edge ? std::uint32_t{EPOLLET} | EPOLLRDHUP : 0);
}

int Loop::Impl::control(int operation, int fd, std::uint32_t events, Watch::Record* record) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = record;
  return ::epoll_ctl(epoll.get(), operation, fd, &event) == 0 ? 0 : errno;
}

void Loop::Impl::add(Watch::Record& record) const {
  record.registered = events_of(record);
  const int error = control(EPOLL_CTL_ADD, record.fd, record.registered, &record);
  record.known = error == 0;
  record.unwatchable = error == EPERM;
  if (!record.unwatchable) {
    throw_if(error);
    return;
  }
  record.edge = true;
  record.left = record.forever = {.read = true, .write = true, .hangup = false};
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
  if (record.edge) queue_if_left(record);
  if (record.known && (events_of(record) & ~record.registered) != 0) register_anew(record);
}

void Loop::Impl::register_anew(Watch::Record& record) const {
  record.registered = events_of(record);
  throw_if(control(EPOLL_CTL_MOD, record.fd, record.registered, &record));
}

void Loop::Impl::on_event(Watch::Record& record, std::uint32_t events) {
  if (record.dead) return;
  if (record.edge) {
    on_edge(record, events);
    return;
  }
  const bool hangup = (events & kHangup) != 0;
  const Ready ready = common(record.wanted, {.read = hangup || (events & EPOLLIN) != 0,
                                             .write = hangup || (events & EPOLLOUT) != 0,
                                             .hangup = hangup});
  if (ready.any()) {
    call(record, ready);
  } else if (hangup) {
    forget(record);  // It cannot be left out of a registration.
  } else {
    register_anew(record);
  }
}

void Loop::Impl::on_edge(Watch::Record& record, std::uint32_t events) {
  const bool hangup = (events & kHangup) != 0;
  // The end of what comes may be here together with the last of it, and is told only once.
  record.forever =
      either(record.forever,
             {.read = hangup || (events & EPOLLRDHUP) != 0, .write = hangup, .hangup = hangup});
  record.left =
      either(record.left, {.read = (events & EPOLLIN) != 0, .write = (events & EPOLLOUT) != 0});
  record.left = either(record.left, record.forever);
  // A Unix socket would tell of room whenever the other end reads.
  if ((events & EPOLLOUT) != 0 && !record.wanted.write) register_anew(record);
  call_for_left(record);
}

void Loop::Impl::call(Watch::Record& record, Ready ready) {
  ++handlers;
  record.handler(ready);
  --handlers;
}

void Loop::Impl::call_for_left(Watch::Record& record) {
  const Ready ready = common(record.wanted, record.left);
  if (!ready.any()) return;
  call(record, ready);
  if (!record.dead) queue_if_left(record);
}

void Loop::Impl::queue_if_left(Watch::Record& record) {
  if (record.queued || !common(record.wanted, record.left).any()) return;
  record.queued = true;
  queued_later.push_back(&record);
}

bool Loop::Impl::serve_queued() {
  if (queued.empty()) return false;
  Watch::Record& record = *queued.back();
  queued.pop_back();
  record.queued = false;
  if (!record.dead) call_for_left(record);
  return true;
}

void Loop::Impl::bury_dead() {
  // A handler that runs this turn from within may be one of them.
  if (handlers > 0 || dead.empty()) return;
  std::erase_if(queued_later, [](const auto* record) { return record->dead; });
  // What they own may add to them.
  const auto gone = std::exchange(dead, {});
}

Watch::Watch(Loop& loop, int fd, Handler handler, Drained drained)
    : loop_(loop.impl_.get()), record_(std::make_unique<Record>()) {
  record_->fd = fd;
  record_->edge = drained == Drained::HandlerSays;
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
void Watch::drained(Ready ready) {
  auto& left = record_->left;
  const auto& forever = record_->forever;
  left.read = left.read && (!ready.read || forever.read);
  left.write = left.write && (!ready.write || forever.write);
}
Ready Watch::wanted() const { return record_->wanted; }
int Watch::fd() const { return record_->fd; }

}  // namespace periprox
