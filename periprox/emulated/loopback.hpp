// A bulk pipe that gives back what it got, transfer by transfer.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "periprox/emulated/transfer.hpp"

namespace periprox::emulated {

/// Each OUT transfer becomes one IN transfer, in order. What nobody reads yet is kept up to
/// kMaxKeptBytes; then the host's OUT transfers wait. Capture it by shared_ptr in both handlers.
class Loopback {
 public:
  void take(OutTransfer transfer);
  void give(InTransfer transfer);
  /// Forgets what it keeps, as a reset does.
  void clear();

  static constexpr std::size_t kMaxKeptBytes = std::size_t{1} << 20;
  static constexpr std::size_t kMaxKeptTransfers = 1024;

 private:
  [[nodiscard]] bool has_room_for(std::size_t bytes) const;

  std::deque<std::vector<std::byte>> kept_;
  std::size_t kept_bytes_ = 0;
  OutTransfer waiting_out_;
  InTransfer waiting_in_;
};

}  // namespace periprox::emulated
