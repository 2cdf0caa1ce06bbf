// How sessions end, whatever they are carried by: what is told of one, and how a server ends all.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/service/event.hpp"
#include "periprox/session/exports.hpp"

namespace periprox {
class Loop;
}

namespace periprox::service {

/// That the session of `peer` is over, and why: its failure, else `otherwise`. `lease` is the
/// device that it used, null if none. A peer that used nothing and broke nothing is a detail.
[[nodiscard]] Event session_ended(const std::string& peer, const std::optional<Error>& failure,
                                  const session::Lease* lease, std::string_view otherwise);

/// The end of a server: its sessions are asked to end, and those that do not in time are dropped.
/// One thread, that of the loop, which outlives it.
class Farewell {
 public:
  explicit Farewell(Loop& loop) : loop_(loop) {}
  /// Nothing is called any more.
  ~Farewell();
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;

  /// `drop` ends what is left after `patience`; `done` is called when that or over() has come.
  void begin(Duration patience, std::function<void()> drop, std::function<void()> done);
  /// No session is left. Does nothing before begin().
  void over();
  [[nodiscard]] bool begun() const { return begun_; }

 private:
  Loop& loop_;
  bool begun_ = false;
  std::optional<TimerId> timer_;
  std::function<void()> done_;
};

}  // namespace periprox::service
