// Signals that are told to an event loop.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

namespace periprox {

class Loop;

/// Calls `handler` on the loop, soon after one of the signals has come, as long as it lives;
/// several that come close together may make one call. Then the signals do again what they did
/// before. One object at a time for a signal. It keeps Loop::run() going.
class Signals {
 public:
  Signals(Loop& loop, std::initializer_list<int> numbers, std::function<void()> handler);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace periprox
