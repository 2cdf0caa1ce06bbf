#include "periprox/physical/blocking_pool.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace periprox::physical {

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
      work.wait(lock, [this] { return closing || !jobs.empty(); });
      --idle;
      if (jobs.empty()) return;
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
};

BlockingPool::BlockingPool() : shared_(std::make_unique<Shared>()) {}

BlockingPool::~BlockingPool() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->closing = true;
  }
  shared_->work.notify_all();
  for (auto& thread : shared_->threads) thread.join();
}

void BlockingPool::run(std::function<void()> job) {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->jobs.push_back(std::move(job));
    // Threads that were woken but did not yet take their job still count as idle.
    if (shared_->idle < shared_->jobs.size()) {
      shared_->threads.emplace_back([shared = shared_.get()] { shared->serve(); });
    }
  }
  shared_->work.notify_one();
}

void BlockingPool::wait_until_idle() {
  std::unique_lock lock(shared_->mutex);
  shared_->finished.wait(lock, [this] { return shared_->running == 0 && shared_->jobs.empty(); });
}

}  // namespace periprox::physical
