// Whether to read right after an answer was written, without waiting first.
//
// A peer that shares our processor often runs as soon as the answer is written, and has sent its
// next message when we run again: then the wait would tell what a read finds out as well. Where the
// peer has a processor of its own, or is far away, that read comes too early and finds nothing. So
// it is made as long as it succeeds, and else tried now and then.
#pragma once

namespace periprox::link {

/// Learns from the reads of one connection whether they come too early.
class EagerReads {
 public:
  /// Asked after each answer: whether to read now.
  [[nodiscard]] bool worth_trying() {
    if (patience_ > 0) return true;
    if (++passed_over_ < kTryEvery) return false;
    passed_over_ = 0;
    return true;
  }

  /// What became of it.
  void learn(bool found_something) {
    if (found_something) {
      patience_ = kPatience;
    } else if (patience_ > 0) {
      --patience_;
    }
  }

  /// A read that finds nothing takes about half as long as the wait that is saved by one that finds
  /// something.
  static constexpr int kPatience = 2;
  static constexpr int kTryEvery = 16;

 private:
  int patience_ = 0;
  int passed_over_ = 0;
};

}  // namespace periprox::link
