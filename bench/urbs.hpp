// The measured thing: URBs from a UsbipClient on one thread to a UsbipServer on another.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "bench/sockets.hpp"
#include "bench/traffic.hpp"

namespace periprox::bench {

/// What stands at the far end of a path.
struct FarEnd {
  /// The device moves the data, as NullDevice does then.
  bool copies = false;
  /// All that passes is captured to this file, 64 bytes of each URB.
  std::string capture{};
};

/// `sessions` connections, all clients on the calling thread, all servers on another. Ready when
/// constructed.
class UrbPath {
 public:
  UrbPath(SocketKind kind, std::size_t sessions, const FarEnd& far_end = {});
  ~UrbPath();
  UrbPath(const UrbPath&) = delete;
  UrbPath& operator=(const UrbPath&) = delete;

  /// Seconds for `count` URBs, at most `in_flight` of them pending, spread over the sessions in
  /// turn.
  [[nodiscard]] double run(const UrbShape& shape, std::size_t count, std::size_t in_flight);
  /// As Traffic::latencies().
  [[nodiscard]] const std::vector<double>& latencies() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Heap bytes that one idle server session holds after an import and a few transfers, averaged over
/// `sessions` of them (what malloc counts; kernel memory is not included).
[[nodiscard]] double idle_session_bytes(std::size_t sessions);

}  // namespace periprox::bench
