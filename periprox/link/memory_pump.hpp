// Drives one sans-IO session in shared memory; knows nothing of USB.
//
// Looking at memory costs nothing and is answered at once, so while there is traffic the thread
// looks again and again (it spins). When nothing has moved for a while the session sleeps: until
// the peer's doorbell, a byte on the socket that handed the memory over, or, where there is no such
// socket, by looking again after pauses that double.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "periprox/base/memory_protocol.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox {
class Loop;
}

namespace periprox::link {

class MemoryPump;

namespace detail {
struct MemoryPumpImpl;
}

/// Looks at the memory of all awake sessions of one loop in turn, so that one of them does not keep
/// the others waiting while it spins. Outlives their pumps.
class Spinner {
 public:
  explicit Spinner(Loop& loop) : loop_(loop) {}
  ~Spinner();
  Spinner(const Spinner&) = delete;
  Spinner& operator=(const Spinner&) = delete;

 private:
  friend struct detail::MemoryPumpImpl;
  void add(std::shared_ptr<detail::MemoryPumpImpl> pump);
  void post_slice();
  void slice();

  Loop& loop_;
  std::vector<std::shared_ptr<detail::MemoryPumpImpl>> awake_;
  bool posted_ = false;
  std::shared_ptr<Spinner*> self_ = std::make_shared<Spinner*>(this);
};

/// How a session waits.
struct MemoryWaiting {
  /// How long it looks on at most when nothing has moved; less while that does not pay (see
  /// spin_budget.hpp). It is CPU time; 0 sleeps at once.
  Duration spin = std::chrono::microseconds(50);
  /// Without a doorbell: the first and the longest pause between two looks.
  Duration first_pause = std::chrono::microseconds(50);
  Duration longest_pause = std::chrono::milliseconds(10);
};

/// Lives on the loop's thread.
class MemoryPump {
 public:
  /// Called once, when the protocol has finished. The pump may be destroyed in it.
  using Ended = std::function<void(MemoryProtocol&)>;

  /// `channel` is a connected socket whose other end the peer holds, or nothing.
  MemoryPump(Loop& loop, Spinner& spinner, UniqueFd channel,
             std::unique_ptr<MemoryProtocol> protocol, MemoryWaiting waiting, Ended ended);
  /// Drops the channel and the protocol at once, without calling `ended`. Not from within a call
  /// that the protocol makes.
  ~MemoryPump();
  MemoryPump(const MemoryPump&) = delete;
  MemoryPump& operator=(const MemoryPump&) = delete;

  [[nodiscard]] MemoryProtocol& protocol() const;
  /// Asks the protocol to end. `ended` is called when it has.
  void close();

 private:
  std::shared_ptr<detail::MemoryPumpImpl> impl_;
};

/// Binds the calling thread to one processor: a spinning thread that is moved starts cold.
[[nodiscard]] Result<void> pin_thread(int cpu);

}  // namespace periprox::link
