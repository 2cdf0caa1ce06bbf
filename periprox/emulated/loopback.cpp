#include "periprox/emulated/loopback.hpp"

#include <utility>

namespace periprox::emulated {

bool Loopback::has_room_for(std::size_t bytes) const {
  if (kept_.empty()) return true;  // Even the longest transfer passes, alone.
  return kept_.size() < kMaxKeptTransfers && kept_bytes_ + bytes <= kMaxKeptBytes;
}

void Loopback::take(OutTransfer transfer) {
  const auto data = transfer.data();
  if (kept_.empty() && waiting_in_.pending()) {
    auto reader = std::move(waiting_in_);
    reader.send(data);
    return transfer.accept();
  }
  if (!has_room_for(data.size())) {
    waiting_out_ = std::move(transfer);
    return;
  }
  kept_.emplace_back(data.begin(), data.end());
  kept_bytes_ += data.size();
  transfer.accept();
}

void Loopback::give(InTransfer transfer) {
  if (kept_.empty()) {
    waiting_in_ = std::move(transfer);
    return;
  }
  const auto data = std::move(kept_.front());
  kept_.pop_front();
  kept_bytes_ -= data.size();
  transfer.send(data);
  if (waiting_out_.pending() && has_room_for(waiting_out_.data().size())) {
    take(std::move(waiting_out_));
  }
}

void Loopback::clear() {
  kept_.clear();
  kept_bytes_ = 0;
}

}  // namespace periprox::emulated
