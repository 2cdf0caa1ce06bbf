// Descriptors in epoll. What is wanted and what is registered may differ: less is wanted again and
// again, for a moment, so a registration is cut down only when something comes that nobody wants.
#include <cerrno>
#include <system_error>
#include <utility>

#include "periprox/loop/loop_impl.hpp"

namespace periprox {
namespace {

constexpr ReadyBits bits_of(Ready ready) {
  return static_cast<ReadyBits>((ready.read ? kRead : 0) | (ready.write ? kWrite : 0) |
                                (ready.hangup ? kHangup : 0));
}
constexpr Ready ready_of(ReadyBits bits) {
  return {(bits & kRead) != 0, (bits & kWrite) != 0, (bits & kHangup) != 0};
}
/// An error counts as a hang-up, which makes a descriptor ready for everything.
constexpr ReadyBits bits_of_events(std::uint32_t events) {
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) return kRead | kWrite | kHangup;
  return static_cast<ReadyBits>(((events & EPOLLIN) != 0 ? kRead : 0) |
                                ((events & EPOLLOUT) != 0 ? kWrite : 0));
}

void throw_if(int error) {
  if (error != 0) throw std::system_error(error, std::generic_category(), "epoll_ctl");
}

}  // namespace

std::uint32_t Loop::Impl::events_of(const Watch::Record& record) {
  return ((record.wanted & kRead) != 0 ? std::uint32_t{EPOLLIN} : 0) |
         ((record.wanted & kWrite) != 0 ? std::uint32_t{EPOLLOUT} : 0) |
         (record.edge ? std::uint32_t{EPOLLET} | EPOLLRDHUP : 0);
}

int Loop::Impl::control(int operation, int fd, std::uint32_t events, void* mark) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = mark;
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
  record.left = record.forever = kRead | kWrite;
}

void Loop::Impl::forget(Watch::Record& record) const {
  if (!std::exchange(record.known, false)) return;
  // Fails when the descriptor was closed before, which unregistered it.
  (void)control(EPOLL_CTL_DEL, record.fd, 0, nullptr);
}

void Loop::Impl::want(Watch::Record& record, ReadyBits ready) {
  wanting -= record.wanted != 0 ? 1 : 0;
  wanting += ready != 0 ? 1 : 0;
  record.wanted = ready;
  if (ready == 0) return;
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
  const ReadyBits arrived_bits = bits_of_events(events);
  const ReadyBits ready = record.wanted & arrived_bits;
  if (ready != 0) {
    call(record, ready);
  } else if ((arrived_bits & kHangup) != 0) {
    forget(record);  // It cannot be left out of a registration.
  } else {
    register_anew(record);
  }
}

void Loop::Impl::on_edge(Watch::Record& record, std::uint32_t events) {
  const ReadyBits ready = bits_of_events(events);
  // The end of what comes may be here together with the last of it, and is told only once.
  if ((ready & kHangup) != 0) record.forever |= ready;
  if ((events & EPOLLRDHUP) != 0) record.forever |= kRead;
  record.left |= ready | record.forever;
  // A Unix socket would tell of room whenever the other end reads.
  if ((events & EPOLLOUT) != 0 && (record.wanted & kWrite) == 0) register_anew(record);
  call_for_left(record);
}

void Loop::Impl::call(Watch::Record& record, ReadyBits ready) {
  ++handlers;
  record.handler(ready_of(ready));
  --handlers;
}

void Loop::Impl::call_for_left(Watch::Record& record) {
  const ReadyBits ready = record.wanted & record.left;
  if (ready == 0) return;
  call(record, ready);
  if (!record.dead) queue_if_left(record);
}

void Loop::Impl::queue_if_left(Watch::Record& record) {
  if ((record.wanted & record.left) == 0 || record.queued) return;
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
  if (handlers > 0) return;
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
  loop_->want(*record_, 0);
  loop_->forget(*record_);
  record_->dead = true;
  loop_->dead.push_back(std::move(record_));
}

void Watch::want(Ready ready) {
  if (const auto bits = bits_of(ready); bits != record_->wanted) loop_->want(*record_, bits);
}
void Watch::drained(Ready ready) {
  const ReadyBits kept = static_cast<ReadyBits>(~bits_of(ready)) | kHangup | record_->forever;
  record_->left &= kept;
}
Ready Watch::wanted() const { return ready_of(record_->wanted); }
int Watch::fd() const { return record_->fd; }

}  // namespace periprox
