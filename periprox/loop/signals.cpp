// A signal handler may do next to nothing; it writes to an eventfd, which the loop watches.
#include "periprox/loop/signals.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "periprox/base/unique_fd.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox {
namespace {

/// Where the handler of each signal writes.
std::array<std::atomic<int>, NSIG> channels{};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int number) {
  const int error = errno;
  const std::uint64_t one = 1;
  (void)!::write(channels[static_cast<std::size_t>(number)].load(), &one, sizeof(one));
  errno = error;
}

}  // namespace

struct Signals::Impl {
  Impl(Loop& loop, std::initializer_list<int> numbers, std::function<void()> the_handler)
      : handler(std::move(the_handler)),
        channel(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        watch(loop, channel.get(), [this](Ready) { take(); }) {
    if (!channel) throw std::system_error(errno, std::generic_category(), "eventfd");
    watch.want({.read = true});
    for (const int number : numbers) {
      channels[static_cast<std::size_t>(number)] = channel.get();
      struct sigaction action {};
      action.sa_handler = on_signal;
      action.sa_flags = SA_RESTART;
      struct sigaction before {};
      ::sigaction(number, &action, &before);
      taken.emplace_back(number, before);
    }
  }

  ~Impl() {
    for (const auto& [number, before] : taken) ::sigaction(number, &before, nullptr);
  }

  void take() {
    std::uint64_t count = 0;
    (void)!::read(channel.get(), &count, sizeof(count));
    // The handler may destroy this.
    const auto call = handler;
    call();
  }

  std::function<void()> handler;
  UniqueFd channel;
  Watch watch;
  std::vector<std::pair<int, struct sigaction>> taken;
};

Signals::Signals(Loop& loop, std::initializer_list<int> numbers, std::function<void()> handler)
    : impl_(std::make_unique<Impl>(loop, numbers, std::move(handler))) {}
Signals::~Signals() = default;

}  // namespace periprox
