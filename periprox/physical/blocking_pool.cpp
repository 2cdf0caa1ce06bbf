#include "periprox/physical/blocking_pool.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace periprox::physical {
namespace {

/// Longer than the pauses within whatever asks for many jobs.
constexpr auto kIdleTime = std::chrono::milliseconds(10);

}  // namespace

struct BlockingPool::Shared {
  std::mutex mutex;
  std::condition_variable work;
  std::condition_variable finished;
  std::deque<std::function<void()>> jobs;
  std::vector<std::thread> threads;
  std::size_t idle = 0;
  std::size_t running = 0;
  bool closing = false;

  void serve() {
    std::unique_lock lock(mutex);
    while (true) {
      ++idle;
      work.wait_for(lock, kIdleTime, [this] { return closing || !jobs.empty(); });
      --idle;
      if (jobs.empty()) {
        if (!closing) detach_this_thread();  // Else the one who closes waits for it.
        return;
      }
      auto job = std::move(jobs.front());
      jobs.pop_front();
      ++running;
      lock.unlock();
      job();
      job = nullptr;  // What it holds may take locks of its own when it goes.
      lock.lock();
      --running;
      if (running == 0 && jobs.empty()) finished.notify_all();
    }
  }

  void detach_this_thread() {
    const auto is_this = [](const std::thread& thread) {
      return thread.get_id() == std::this_thread::get_id();
    };
    const auto self = std::find_if(threads.begin(), threads.end(), is_this);
    self->detach();
    threads.erase(self);
  }
};

BlockingPool::BlockingPool() : shared_(std::make_shared<Shared>()) {}

BlockingPool::~BlockingPool() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->closing = true;
  }
  shared_->work.notify_all();
  for (auto& thread : shared_->threads) thread.join();  // None leaves the list any more.
}

void BlockingPool::run(std::function<void()> job) {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->jobs.push_back(std::move(job));
    // Threads that were woken but did not yet take their job still count as idle.
    if (shared_->idle < shared_->jobs.size()) {
      // A thread that is detached may still be on its way out when the pool is gone.
      shared_->threads.emplace_back([shared = shared_] { shared->serve(); });
    }
  }
  shared_->work.notify_one();
}

void BlockingPool::wait_until_idle() {
  std::unique_lock lock(shared_->mutex);
  shared_->finished.wait(lock, [this] { return shared_->running == 0 && shared_->jobs.empty(); });
}

}  // namespace periprox::physical
