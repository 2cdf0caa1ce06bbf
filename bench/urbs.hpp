// The measured thing: URBs from a UsbipClient on one thread to a UsbipServer on another.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "bench/sockets.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::bench {

/// One shape of traffic.
struct UrbShape {
  usb::TransferType type = usb::TransferType::Control;
  bool is_in = true;
  std::uint32_t size = 18;
};

/// `sessions` connections, all clients on the calling thread, all servers on another. Ready when
/// constructed.
class UrbPath {
 public:
  /// With a path in `capture`, all that passes is captured to that file, 64 bytes of each URB.
  UrbPath(SocketKind kind, std::size_t sessions, std::string capture = {});
  ~UrbPath();
  UrbPath(const UrbPath&) = delete;
  UrbPath& operator=(const UrbPath&) = delete;

  /// Seconds for `count` URBs, at most `in_flight` of them pending, spread over the sessions in
  /// turn.
  [[nodiscard]] double run(const UrbShape& shape, std::size_t count, std::size_t in_flight);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Heap bytes that one idle server session holds after an import and a few transfers, averaged over
/// `sessions` of them (what malloc counts; kernel memory is not included).
[[nodiscard]] double idle_session_bytes(std::size_t sessions);

}  // namespace periprox::bench
