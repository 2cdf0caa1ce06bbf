// The URBs of one endpoint in the order of submission.
#pragma once

#include "periprox/physical/transfer.hpp"

namespace periprox::physical {

/// A list through the transfers themselves; owns nothing. First those that the kernel has or that
/// are finished, then, from `first_waiting()`, those that are still to be handed over.
class TransferList {
 public:
  [[nodiscard]] bool empty() const { return front_ == nullptr; }
  [[nodiscard]] Transfer* front() const { return front_; }
  [[nodiscard]] Transfer* first_waiting() const { return first_waiting_; }

  void append(Transfer& transfer) {
    transfer.before = back_;
    transfer.after = nullptr;
    (back_ != nullptr ? back_->after : front_) = &transfer;
    back_ = &transfer;
    if (first_waiting_ == nullptr) first_waiting_ = &transfer;
  }
  /// The first waiting one waits no more.
  void advance() { first_waiting_ = first_waiting_->after; }
  void remove(Transfer& transfer) {
    if (first_waiting_ == &transfer) advance();
    (transfer.before != nullptr ? transfer.before->after : front_) = transfer.after;
    (transfer.after != nullptr ? transfer.after->before : back_) = transfer.before;
    transfer.before = transfer.after = nullptr;
  }

 private:
  Transfer* front_ = nullptr;
  Transfer* back_ = nullptr;
  Transfer* first_waiting_ = nullptr;
};

}  // namespace periprox::physical
