#include "periprox/session/ring_port.hpp"

namespace periprox::session {
namespace {

wire::ring::RingIndices submissions(wire::ring::ControlBlock& control) {
  return {control.submissions_in, control.submissions_out};
}
wire::ring::RingIndices completions(wire::ring::ControlBlock& control) {
  return {control.completions_in, control.completions_out};
}

}  // namespace

RingPort::RingPort(const RingMemory& memory, const wire::ring::Layout& layout, Side side)
    : out_(side == Side::Importer ? submissions(memory.control()) : completions(memory.control())),
      in_(side == Side::Importer ? completions(memory.control()) : submissions(memory.control())) {
  auto* const submitted = memory.entries(layout.submissions_offset);
  auto* const completed = memory.entries(layout.completions_offset);
  out_entries_ = side == Side::Importer ? submitted : completed;
  in_entries_ = side == Side::Importer ? completed : submitted;
  out_mask_ =
      (side == Side::Importer ? layout.submissions_entries : layout.completions_entries) - 1;
  in_mask_ = (side == Side::Importer ? layout.completions_entries : layout.submissions_entries) - 1;
}

bool RingPort::has_room() {
  if (!fault_.empty()) return false;
  if (tail_ - seen_head_ <= out_mask_) return true;
  const std::uint32_t head = out_.load_head();
  if (head - seen_head_ > tail_ - seen_head_) {
    fault_ = "its head ran backwards, or past our tail";
    return false;
  }
  seen_head_ = head;
  return tail_ - seen_head_ <= out_mask_;
}

void RingPort::put(const wire::ring::Entry& entry) {
  out_entries_[tail_ & out_mask_].store(entry);
  wire::ring::publish(out_, ++tail_);
  put_since_doorbell_ = true;
}

std::optional<wire::ring::Entry> RingPort::take() {
  if (!fault_.empty()) return std::nullopt;
  if (head_ == seen_tail_) {
    const std::uint32_t tail = in_.load_tail();
    if (tail - head_ > in_mask_ + 1) {
      fault_ = "its tail ran backwards, or more than a ring ahead";
      return std::nullopt;
    }
    seen_tail_ = tail;
    if (head_ == tail) return std::nullopt;
    in_.order_loads();
  }
  taken_since_release_ = true;
  return in_entries_[head_++ & in_mask_].load();
}

void RingPort::release_taken() {
  if (!taken_since_release_) return;
  taken_since_release_ = false;
  in_.store_head(head_);
}

bool RingPort::must_ring_doorbell() {
  if (!put_since_doorbell_) return false;
  put_since_doorbell_ = false;
  return wire::ring::must_ring_doorbell(out_);
}

bool RingPort::may_fall_asleep() {
  release_taken();
  // What a fault left in the ring is never taken.
  return head_ == seen_tail_ && wire::ring::may_fall_asleep(in_, head_);
}

}  // namespace periprox::session
